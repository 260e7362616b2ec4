package connectors_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stanch/connectors"
)

type oneToken struct{}

func (oneToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// A cloud in this process is asked as one over the wire: a change passes its
// gate first, and an answer that is cut leaves it unsure.
func TestACloudInThisProcessHasGatesToo(t *testing.T) {
	calls, cut := 0, ""
	cloud := connectors.RehearsalCloud(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		if r.Header.Get("Authorization") != "Bearer t" || r.Host != "practice.invalid" {
			t.Errorf("asked as %v at %s", r.Header, r.Host)
		}
		if cut == "before" {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"a": `))
		if cut == "middle" {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte(`1}`))
	}))
	c, err := connectors.New(cloud, cloud.Graph, oneToken{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var out struct{ A int }
	request := connectors.Request{Op: "try", Path: connectors.To("x"), Method: http.MethodPost}
	send := func(ch connectors.Change) error {
		_, err := c.Send(t.Context(), ch, request, &out)
		return err
	}
	if err := send(connectors.Change{ID: "e1"}); err != nil || out.A != 1 || calls != 1 {
		t.Fatal(err, out, calls)
	}
	frozen := errors.New("frozen")
	if err := send(connectors.Change{ID: "e2", Frozen: func() error { return frozen }}); !errors.Is(err, frozen) || calls != 1 {
		t.Errorf("a frozen change: %v, %d calls", err, calls)
	}
	if err := send(connectors.Change{ID: "e3", SendBy: time.Now().Add(-time.Second)}); err == nil || calls != 1 {
		t.Errorf("a change too late: %v, %d calls", err, calls)
	}
	for _, cut = range []string{"before", "middle"} {
		err := send(connectors.Change{ID: "e4"})
		u, is := errors.AsType[interface {
			error
			Unsure() bool
		}](err)
		if err == nil || !is || !u.Unsure() {
			t.Errorf("cut %s: %v", cut, err)
		}
	}
}
