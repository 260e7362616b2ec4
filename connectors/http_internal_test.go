package connectors

import (
	"net/http"
	"testing"

	"stanch/connectors/egress"
)

// A proxy of the environment would dial what the guard never saw.
func TestAGuardedWireHasNoProxyOfTheEnvironment(t *testing.T) {
	guard, err := egress.New(egress.Policy{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := NewHTTP(HTTPOptions{Name: "http", Dialer: egress.Dialer{Guard: guard}})
	if err != nil {
		t.Fatal(err)
	}
	if transport, is := h.wire.http.Transport.(*http.Transport); !is || transport.Proxy != nil || transport.DialContext == nil || transport.DialTLSContext != nil {
		t.Errorf("the transport is %+v", h.wire.http.Transport)
	}
	if _, err := NewHTTP(HTTPOptions{Name: "http"}); err == nil {
		t.Error("one without a guard is made")
	}
}
