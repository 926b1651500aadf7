// svid-client is a workload written with go-spiffe: it fetches what the Workload API at SPIFFE_ENDPOINT_SOCKET has for it,
// validates all of it with go-spiffe's own code, and prints one fact a line.
//
//	svid-client AUDIENCE
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/jwtsvid"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "svid-client:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, audience string) error {
	client, err := workloadapi.New(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	// 1. X509-SVIDs, verified against the bundles that came with them.
	x509, err := client.FetchX509Context(ctx)
	if err != nil {
		return fmt.Errorf("FetchX509SVID: %w", err)
	}
	for _, svid := range x509.SVIDs {
		id, _, err := x509svid.Verify(svid.Certificates, x509.Bundles)
		if err != nil {
			return fmt.Errorf("x509svid.Verify: %w", err)
		}
		fmt.Println("x509-svid", id, "certificates", len(svid.Certificates))
	}

	// 2. JWT-SVIDs, verified here and by the endpoint; and refused here for another audience.
	bundles, err := client.FetchJWTBundles(ctx)
	if err != nil {
		return fmt.Errorf("FetchJWTBundles: %w", err)
	}
	token, err := client.FetchJWTSVID(ctx, jwtsvid.Params{Audience: audience})
	if err != nil {
		return fmt.Errorf("FetchJWTSVID: %w", err)
	}
	parsed, err := jwtsvid.ParseAndValidate(token.Marshal(), bundles, []string{audience})
	if err != nil {
		return fmt.Errorf("jwtsvid.ParseAndValidate: %w", err)
	}
	fmt.Println("jwt-svid", parsed.ID)
	confirmed, err := client.ValidateJWTSVID(ctx, token.Marshal(), audience)
	if err != nil {
		return fmt.Errorf("ValidateJWTSVID: %w", err)
	}
	fmt.Println("validated", confirmed.ID)
	if _, err := client.ValidateJWTSVID(ctx, token.Marshal(), audience+"-other"); err != nil {
		fmt.Println("refused another audience")
	}

	// 3. Mutual TLS with the SVID on both sides, as two Go workloads would.
	source, err := workloadapi.NewX509Source(ctx, workloadapi.WithClient(client))
	if err != nil {
		return fmt.Errorf("X509Source: %w", err)
	}
	defer source.Close()
	own, err := source.GetX509SVID()
	if err != nil {
		return err
	}
	if err := shakeHands(ctx, source, own.ID); err != nil {
		return fmt.Errorf("mTLS: %w", err)
	}
	fmt.Println("mtls", own.ID)
	return nil
}

func shakeHands(ctx context.Context, source *workloadapi.X509Source, peer spiffeid.ID) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer listener.Close()
	served := make(chan error, 1)
	go func() {
		connection, err := listener.Accept()
		if err == nil {
			server := tls.Server(connection, tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(peer)))
			err = server.HandshakeContext(ctx)
			defer connection.Close()
		}
		served <- err
	}()
	dialer := tls.Dialer{Config: tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(peer))}
	connection, err := dialer.DialContext(ctx, "tcp", listener.Addr().String())
	if err != nil {
		return err
	}
	defer connection.Close()
	return <-served
}
