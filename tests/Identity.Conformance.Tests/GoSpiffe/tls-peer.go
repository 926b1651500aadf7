// tls-peer is a workload written with go-spiffe that shakes hands with one that is not.
//
//	tls-peer serve PEER-ID           accepts one connection at a time from PEER-ID alone, and prints who came: "address A", then "client ID" or "refused"
//	tls-peer dial PEER-ID ADDRESS    connects to PEER-ID alone, and prints what it reads: "server ID said LINE"
//	tls-peer watch                   prints "svid ID SERIAL" for each of its X509-SVIDs, and again with every message of the open stream
//
// It ends with SIGTERM, or after two minutes.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/workloadapi"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "tls-peer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if args[0] == "watch" {
		client, err := workloadapi.New(ctx)
		if err != nil {
			return err
		}
		defer client.Close()
		return client.WatchX509Context(ctx, watcher{})
	}
	source, err := workloadapi.NewX509Source(ctx)
	if err != nil {
		return fmt.Errorf("X509Source: %w", err)
	}
	defer source.Close()
	peer, err := spiffeid.FromString(args[1])
	if err != nil {
		return err
	}
	if args[0] == "dial" {
		return dial(ctx, source, peer, args[2])
	}
	return serve(ctx, source, peer)
}

func dial(ctx context.Context, source *workloadapi.X509Source, peer spiffeid.ID, address string) error {
	config := tlsconfig.MTLSClientConfig(source, source, tlsconfig.AuthorizeID(peer))
	config.MinVersion = tls.VersionTLS13
	dialer := tls.Dialer{Config: config}
	connection, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	// With TLS 1.3 a client learns only from the first bytes whether it was let in.
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server did not greet: %w", err)
	}
	id, err := spiffeid.FromURI(connection.(*tls.Conn).ConnectionState().PeerCertificates[0].URIs[0])
	if err != nil {
		return err
	}
	fmt.Println("server", id, "said", line[:len(line)-1])
	return nil
}

func serve(ctx context.Context, source *workloadapi.X509Source, peer spiffeid.ID) error {
	config := tlsconfig.MTLSServerConfig(source, source, tlsconfig.AuthorizeID(peer))
	config.MinVersion = tls.VersionTLS13
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		listener.Close()
	}()
	fmt.Println("address", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		greet(ctx, connection)
	}
}

func greet(ctx context.Context, connection net.Conn) {
	defer connection.Close()
	server := connection.(*tls.Conn)
	if err := server.HandshakeContext(ctx); err != nil {
		fmt.Println("refused")
		return
	}
	fmt.Println("client", server.ConnectionState().PeerCertificates[0].URIs[0])
	fmt.Fprintln(server, "hello")
}

type watcher struct{}

func (watcher) OnX509ContextUpdate(x509 *workloadapi.X509Context) {
	for _, svid := range x509.SVIDs {
		fmt.Println("svid", svid.ID, svid.Certificates[0].SerialNumber)
	}
}

func (watcher) OnX509ContextWatchError(err error) {
	fmt.Fprintln(os.Stderr, "tls-peer: watch:", err)
}
