// Package web reaches what is not Microsoft's: addresses that playbooks name,
// services and channels that the operator named.
//
// A playbook's address is judged by the egress guard at every connection. A
// service is an operator's base address with its credential: it may lie
// anywhere, its credential is added when a request is sent, goes to its origin
// only, and is taken out of what comes back. A channel is where messages for
// people go; its address, which is a secret itself, stands in the operator's
// file, never in an incident. Text of a message is shown as it is: it cannot
// become a link, a mention or a format.
//
// The package knows nothing of playbooks, actions or runs.
package web

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// Options are what the operator's file says.
type Options struct {
	Policy   egress.Policy
	Proxy    *egress.Proxy
	Direct   []string // hosts that are reached without the proxy
	Services map[string]Service
	Channels map[string]Channel
	// Else, where set, answers channels that have no name here. It is for
	// rehearsals.
	Else func(kind Kind, name string) Channel
	// CA and OnlyCA are whom connections to channels trust.
	CA     []byte
	OnlyCA bool
	// Handler, where set, answers in this process in place of the network.
	Handler http.Handler
}

// Client reaches addresses, services and channels. It is safe for concurrent
// use.
type Client struct {
	o        Options
	free     *connectors.HTTP
	notify   *connectors.HTTP
	services map[string]*service
}

// longest bounds one request whose caller gives it more time.
const longest = 10 * time.Minute

// maxAnswer bounds the body of an answer to a message, in bytes.
const maxAnswer = 64 << 10

// New answers a client; what of the options cannot be is an error that names
// it by its key in the operator's file.
func New(o Options) (*Client, error) {
	guard, err := egress.New(o.Policy)
	if err != nil {
		return nil, fmt.Errorf("egress: %w", err)
	}
	c := &Client{o: o, services: map[string]*service{}}
	dialer := egress.Dialer{Guard: guard, Proxy: o.Proxy}
	for _, host := range o.Direct {
		pattern, err := egress.Pattern(host)
		if err != nil {
			return nil, fmt.Errorf("egress.proxy.except: %w", err)
		}
		dialer.Direct = append(dialer.Direct, pattern)
	}
	if c.free, err = connectors.NewHTTP(connectors.HTTPOptions{Name: "http", Dialer: dialer, Timeout: longest, Handler: o.Handler}); err != nil {
		return nil, err
	}
	for name, s := range o.Services {
		if c.services[name], err = newService(name, s, dialer, o.Handler); err != nil {
			return nil, fmt.Errorf("services.%s: %w", name, err)
		}
	}
	trusting := dialer
	for name, channel := range o.Channels {
		at, err := channel.valid()
		if err != nil {
			return nil, fmt.Errorf("channels.%s: %w", name, err)
		}
		if at != "" {
			trusting.Trusted = append(trusting.Trusted, at)
		}
	}
	if o.Else != nil {
		for _, kind := range Kinds() {
			at, err := o.Else(kind, "any").valid()
			if err != nil {
				return nil, err
			}
			if at != "" {
				trusting.Trusted = append(trusting.Trusted, at)
			}
		}
	}
	c.notify, err = connectors.NewHTTP(connectors.HTTPOptions{
		Name: "notify", Dialer: trusting, CA: o.CA, OnlyCA: o.OnlyCA, MaxBody: maxAnswer, Timeout: longest, Handler: o.Handler,
	})
	return c, err
}

// Proxy reads a proxy's address: http://host:port or https://host:port.
func Proxy(address string, ca []byte) (*egress.Proxy, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, errors.New("address is no proxy; expected http://host:port, a user has a key of its own")
	}
	at, err := egress.HostPort(u.Scheme, u.Host)
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	p := &egress.Proxy{Address: at, TLS: u.Scheme == "https"}
	if len(ca) > 0 {
		p.Roots = x509.NewCertPool()
		if !p.Roots.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("no certificate found for the proxy; expected PEM")
		}
	}
	return p, nil
}

// invalid is an error of this side: nothing was sent.
func invalid(op, hint, format string, args ...any) error {
	return &connectors.Error{Op: op, Code: connectors.Invalid, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// among lists the names that there are, for a hint.
func among[T any](m map[string]T, what string) string {
	if len(m) == 0 {
		return "the operator's file names no " + what
	}
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return "the operator's file names " + strings.Join(names, ", ")
}
