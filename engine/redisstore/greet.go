package redisstore

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// greetTime is how long a server may take to answer a greeting.
const greetTime = 5 * time.Second

// greet finds out whether Redis answers at an address in the way in which it is
// going to be asked. Everything that is not so has a sentence of its own.
func greet(ctx context.Context, addr string, config *tls.Config) error {
	answer, err := say(ctx, addr, config)
	switch {
	case err == nil:
		return isRedis(addr, answer)
	case config != nil && isTimeout(err) && speaksPlain(ctx, addr):
		return fmt.Errorf("%s: %w", addr, errPlain)
	case config != nil:
		return fmt.Errorf("%s: %w", addr, ofTLS(err))
	case isCut(err) && speaksTLS(ctx, addr):
		return fmt.Errorf("%s speaks TLS and is asked without: write rediss:// for redis://", addr)
	case isCut(err):
		return fmt.Errorf("%s closes the connection without an answer: is it Redis? (%w)", addr, err)
	}
	return fmt.Errorf("%s does not answer: %w", addr, unwrapped(err))
}

// say sends a PING and answers the first line of what comes.
func say(ctx context.Context, addr string, config *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, greetTime)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(end); err != nil {
			return "", err
		}
	}
	if config != nil {
		config = config.Clone()
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(addr)
		}
		secured := tls.Client(c, config)
		if err := secured.HandshakeContext(ctx); err != nil {
			return "", err
		}
		c = secured
	}
	line, err := ping(c)
	if config != nil && isCut(err) {
		err = fmt.Errorf("%w: %w", errUnknownToIt, err)
	}
	return line, err
}

// ping sends a PING and answers the first line of what comes.
func ping(c net.Conn) (string, error) {
	if _, err := io.WriteString(c, "*1\r\n$4\r\nPING\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReaderSize(io.LimitReader(c, 512), 512).ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		return "", err
	}
	return strings.TrimSpace(line), nil
}

// errUnknownToIt says that a server has agreed on TLS and then closed the
// connection: what it does to who shows no certificate, if its word on that does
// not arrive before.
var errUnknownToIt = errors.New("it closes the connection once TLS is agreed on")

// isRedis says whether an answer is one of Redis that lets us in, or may with a
// password.
func isRedis(addr, answer string) error {
	word, _, _ := strings.Cut(answer, " ")
	switch {
	case word == "-DENIED":
		return fmt.Errorf("%w: %s is in protected mode, it lets in nobody from another machine: give it a password and bind it to the network on purpose", errUnfit, addr)
	case strings.HasPrefix(answer, "-ERR max number of clients"):
		return fmt.Errorf("%s takes no more connections: raise its maxclients", addr)
	case strings.HasPrefix(answer, "+"), strings.HasPrefix(answer, "-"):
		return nil
	case strings.HasPrefix(answer, "HTTP/"):
		return fmt.Errorf("%w: at %s an HTTP server answers, not Redis: is the port right?", errUnfit, addr)
	}
	return fmt.Errorf("%w: what answers at %s is not Redis: is the port right?", errUnfit, addr)
}

// isCut reports whether the other side has closed the connection.
func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool {
	t, is := errors.AsType[net.Error](err)
	return is && t.Timeout()
}

// errPlain says that a server knows no TLS. Redis itself waits for more when it
// is greeted so.
var errPlain = errors.New("it does not speak TLS: write redis:// for rediss://")

// speaksPlain reports whether a server answers without TLS.
func speaksPlain(ctx context.Context, addr string) bool {
	answer, err := say(ctx, addr, nil)
	return err == nil && isRedis(addr, answer) == nil
}

// speaksTLS reports whether a server answers a TLS handshake, whoever signed its
// certificate.
func speaksTLS(ctx context.Context, addr string) bool {
	_, err := say(ctx, addr, &tls.Config{MinVersion: tls.VersionTLS12})
	if err == nil || isCut(err) {
		return err == nil
	}
	_, bad := errors.AsType[*tls.CertificateVerificationError](err)
	return bad || isAlert(err)
}

func isAlert(err error) bool {
	if _, is := errors.AsType[tls.AlertError](err); is {
		return true
	}
	return strings.Contains(err.Error(), "remote error: tls")
}

// ofTLS says what keeps a TLS connection from being made.
func ofTLS(err error) error {
	if plain, is := errors.AsType[tls.RecordHeaderError](err); is {
		return fmt.Errorf("%w (%s)", errPlain, plain.Msg)
	}
	if _, is := errors.AsType[x509.UnknownAuthorityError](err); is {
		return fmt.Errorf("its certificate is signed by an authority that is not trusted here: name the authority's PEM file as store_auth.ca, or as ?ca=FILE (%w)", err)
	}
	if _, is := errors.AsType[x509.HostnameError](err); is {
		return fmt.Errorf("its certificate is of another name: use the name that the certificate has (%w)", err)
	}
	switch {
	case isAlert(err) && strings.Contains(err.Error(), "certificate required"), errors.Is(err, errUnknownToIt):
		return fmt.Errorf("it asks for a certificate of ours: name it as store_auth.certificate and store_auth.key (%w)", err)
	case isCut(err):
		return fmt.Errorf("%w (%w)", errPlain, err)
	}
	return unwrapped(err)
}

// unwrapped is an error of the network without the address, which is told
// already.
func unwrapped(err error) error {
	if op, is := errors.AsType[*net.OpError](err); is {
		return op.Err
	}
	return err
}
