// fake-workload-api serves the Workload API of go-spiffe's own tests, so that a client that is not go-spiffe can be held against it. It is built inside go-spiffe's tree
// because that code is internal to it.
//
// It prints "endpoint URL", "control URL" and "bundle JWKS", serves two identities of example.org that federate with other.example, and ends with SIGTERM or after two
// minutes. GET control/rotate gives new certificates below a new authority, GET control/deny takes all away.
package main

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/internal/test"
	"github.com/spiffe/go-spiffe/v2/internal/test/fakeworkloadapi"
	"github.com/spiffe/go-spiffe/v2/proto/spiffe/workload"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// What go-spiffe's helpers ask of a test; this is none.
type program struct{ testing.TB }

func (program) Helper()             {}
func (program) Logf(string, ...any) {}
func (program) FailNow()            { os.Exit(1) }
func (program) Errorf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "fake-workload-api: "+format+"\n", args...)
}

func main() {
	var (
		tb     program
		home   = spiffeid.RequireTrustDomainFromString("example.org")
		other  = spiffeid.RequireTrustDomainFromString("other.example")
		first  = spiffeid.RequireFromPath(home, "/first")
		second = spiffeid.RequireFromPath(home, "/second")
		tokens = test.NewCA(tb, home)
		api    = fakeworkloadapi.New(tb)
	)
	token := tokens.CreateJWTSVID(first, []string{"spiffe://example.org/audience"})
	api.SetJWTSVIDResponse(&workload.JWTSVIDResponse{Svids: []*workload.JWTSVID{{SpiffeId: first.String(), Svid: token.Marshal(), Hint: "one"}}})
	api.SetJWTBundles(tokens.JWTBundle())
	rotate := func() {
		authority, key := newAuthority(tb)
		elsewhere, _ := newAuthority(tb)
		api.SetX509SVIDResponse(&fakeworkloadapi.X509SVIDResponse{
			SVIDs:            []*x509svid.SVID{svid(tb, authority, key, first, "one"), svid(tb, authority, key, second, "two")},
			Bundle:           x509bundle.FromX509Authorities(home, []*x509.Certificate{authority}),
			FederatedBundles: []*x509bundle.Bundle{x509bundle.FromX509Authorities(other, []*x509.Certificate{elsewhere})},
		})
	}
	rotate()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake-workload-api:", err)
		os.Exit(1)
	}
	http.HandleFunc("/rotate", func(http.ResponseWriter, *http.Request) { rotate() })
	http.HandleFunc("/deny", func(http.ResponseWriter, *http.Request) { api.SetX509SVIDResponse(nil) })
	go func() { _ = http.Serve(listener, nil) }()
	jwks, err := tokens.JWTBundle().Marshal()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake-workload-api:", err)
		os.Exit(1)
	}
	fmt.Printf("bundle %s\n", jwks)
	fmt.Printf("control http://%s\n", listener.Addr())
	fmt.Printf("endpoint %s\n", api.Addr())
	time.Sleep(2 * time.Minute)
}

// The authorities that go-spiffe's tests make lack keyUsage, which X509-SVID §4.3 wants.
func newAuthority(tb testing.TB) (*x509.Certificate, crypto.Signer) {
	return test.CreateCACertificate(tb, nil, nil, test.WithKeyUsage(x509.KeyUsageCertSign))
}

func svid(tb testing.TB, authority *x509.Certificate, key crypto.Signer, id spiffeid.ID, hint string) *x509svid.SVID {
	certificate, own := test.CreateX509SVID(tb, authority, key, id)
	return &x509svid.SVID{ID: id, Certificates: []*x509.Certificate{certificate}, PrivateKey: own, Hint: hint}
}
