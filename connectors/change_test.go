package connectors_test

import (
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
)

var errFreeze = errors.New("frozen by dana: audit under way")

func TestAChangeCarriesItsEffectID(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if id := r.Header.Get("Client-Request-Id"); id != "effect-1" {
			t.Errorf("client-request-id %q", id)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if err := change(t.Context(), s.client(t, nil), soon(), nil); err != nil {
		t.Fatal(err)
	}
}

// A request that must not be sent is not: no byte of it leaves, not even one
// for a token, and it is certain that nothing happened.
func TestAChangeThatMustNotBeSent(t *testing.T) {
	cases := map[string]struct {
		change connectors.Change
		code   connectors.Code
	}{
		"no id":         {connectors.Change{SendBy: time.Now().Add(time.Minute)}, connectors.Invalid},
		"id with break": {connectors.Change{ID: "a\r\nX: y"}, connectors.Invalid},
		"too late":      {connectors.Change{ID: "e", SendBy: time.Now().Add(-time.Second)}, connectors.Refused},
		"frozen":        {connectors.Change{ID: "e", Frozen: func() error { return errFreeze }}, connectors.Refused},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
			err := change(t.Context(), s.client(t, nil), c.change, nil)
			if e := wantCode(t, err, c.code); e.Unsure() {
				t.Error("unsure")
			}
			if name == "frozen" && !errors.Is(err, errFreeze) {
				t.Errorf("the error does not hold what the freeze said: %v", err)
			}
			if n := s.calls.Load() + s.logins.Load(); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// The last question is asked when the first byte is about to leave, whether
// the connection is new or kept.
func TestAFreezeBetweenTokenAndFirstByteStopsTheRequest(t *testing.T) {
	for _, kept := range []bool{false, true} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
		c := s.client(t, nil)
		want := int64(0)
		if kept {
			if err := get(t.Context(), c, nil); err != nil {
				t.Fatal(err)
			}
			want = 1
		}
		asked := 0
		ch := soon()
		ch.Frozen = func() error {
			if asked++; asked > 1 {
				return errFreeze
			}
			return nil
		}
		err := change(t.Context(), c, ch, nil)
		if e := wantCode(t, err, connectors.Refused, "not sent", "frozen by dana"); e.Unsure() || !errors.Is(err, errFreeze) {
			t.Errorf("kept %v: %v", kept, err)
		}
		if asked != 2 || s.calls.Load() != want {
			t.Errorf("kept %v: asked %d times, %d calls; want 2 and %d", kept, asked, s.calls.Load(), want)
		}
		// The client is not hurt by it.
		if err := change(t.Context(), c, soon(), nil); err != nil || s.calls.Load() != want+1 {
			t.Errorf("kept %v: afterwards %v, %d calls", kept, err, s.calls.Load())
		}
	}
}

func TestASendByThatPassesWhileTheTokenIsFetchedStopsTheRequest(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	ch := soon()
	ch.SendBy = time.Now().Add(400 * time.Millisecond)
	s.login = func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(time.Until(ch.SendBy)) // the login is slow
		reply(w, 200, `{"token_type":"Bearer","expires_in":3600,"access_token":"token-1"}`)
	}
	e := wantCode(t, change(t.Context(), s.client(t, nil), ch, nil), connectors.Refused, "its time to be sent has passed")
	if e.Unsure() || s.calls.Load() != 0 {
		t.Errorf("unsure %v, %d calls", e.Unsure(), s.calls.Load())
	}
}

func TestWhatNeverReachedTheServiceIsNotUnsure(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	cred := s.credential(t)
	untrusting := s.cloud
	other := serve(t, nil)
	untrusting.CA = nil
	untrusting.OnlyCA = false
	closed := s.cloud
	dead := serve(t, nil)
	dead.Close()
	closed.Graph.Base = dead.URL + "/v1.0"
	nowhere := s.cloud
	nowhere.Graph.Base = "https://no-such-host.invalid/v1.0"
	misnamed := s.cloud
	misnamed.Graph.Base = "https://localhost:" + other.URL[len("https://127.0.0.1:"):] + "/v1.0"
	for name, c := range map[string]struct {
		cloud connectors.Cloud
		says  string
	}{
		"097 not trusted": {untrusting, "is not trusted"},
		"097 wrong name":  {misnamed, "is not trusted"},
		"refused":         {closed, "no connection to 127.0.0.1"},
		"092 no name":     {nowhere, "cannot be resolved"},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := connectors.New(c.cloud, c.cloud.Graph, cred, nil)
			if err != nil {
				t.Fatal(err)
			}
			if e := wantCode(t, change(t.Context(), client, soon(), nil), connectors.Unavailable, c.says); e.Unsure() {
				t.Errorf("unsure: %v", e)
			}
		})
	}
}

func TestAChangeWithoutATokenIsNotUnsure(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	s.login = func(w http.ResponseWriter, _ *http.Request) { reply(w, 500, `{}`) }
	e := wantCode(t, change(t.Context(), s.client(t, nil), soon(), nil), connectors.Unavailable, "login")
	if e.Unsure() || s.calls.Load() != 0 {
		t.Errorf("unsure %v, %d calls", e.Unsure(), s.calls.Load())
	}
}

func TestReadAndSendKeepApart(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	c := s.client(t, nil)
	p := connectors.To("thing")
	for _, r := range []connectors.Request{
		{Method: http.MethodPost, Path: p},
		{Method: http.MethodDelete, Path: p},
		{Method: http.MethodDelete, Path: p, Reads: true},
		{Method: http.MethodPatch, Path: p, Reads: true},
	} {
		_, err := c.Read(t.Context(), r, nil)
		wantCode(t, err, connectors.Invalid, "no reading request")
	}
	_, err := c.Send(t.Context(), soon(), connectors.Request{Path: p}, nil)
	wantCode(t, err, connectors.Invalid, "no changing request")
	if s.calls.Load() != 0 {
		t.Error("something was sent")
	}
	if _, err := c.Read(t.Context(), connectors.Request{Method: http.MethodPost, Path: p, Reads: true}, nil); err != nil {
		t.Error(err)
	}
}

// Under load with cuts every change is seen by the service at most once, and
// exactly once or never as the error says.
func TestEveryChangeIsSentOnceAndItsErrorTellsTheTruth(t *testing.T) {
	var seen sync.Map
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := seen.LoadOrStore(r.Header.Get("Client-Request-Id"), new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		switch r.Header.Get("Client-Request-Id")[0] {
		case 'c':
			cut(w)
		case 't':
			reply(w, 429, `{}`)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	})
	c := s.client(t, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 18 {
				ch := soon()
				ch.ID = string("oooctz"[j%6]) + string(rune('a'+i)) + string(rune('a'+j%26)) + string(rune('A'+j/26))
				asked := 0
				if ch.ID[0] == 'z' {
					ch.Frozen = func() error {
						if asked++; asked > 1 {
							return errFreeze
						}
						return nil
					}
				}
				err := change(t.Context(), c, ch, nil)
				got := int64(0)
				if n, ok := seen.Load(ch.ID); ok {
					got = n.(*atomic.Int64).Load()
				}
				want := int64(1)
				switch ch.ID[0] {
				case 'o':
					if err != nil {
						t.Errorf("%s: %v", ch.ID, err)
					}
				case 'c':
					if e := failure(t, err); !e.Unsure() {
						t.Errorf("%s: cut off and sure: %v", ch.ID, e)
					}
				case 't':
					if e := failure(t, err); e.Unsure() {
						t.Errorf("%s: throttled and unsure", ch.ID)
					}
				case 'z':
					want = 0
					if e := failure(t, err); e.Unsure() || e.Code != connectors.Refused {
						t.Errorf("%s: frozen, but %v", ch.ID, e)
					}
				}
				if got != want {
					t.Errorf("%s: sent %d times, want %d (%v)", ch.ID, got, want, err)
				}
			}
		})
	}
	wg.Wait()
}
