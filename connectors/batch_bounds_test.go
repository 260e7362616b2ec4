package connectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
)

// serveBatches is a service whose batches answer decides, by the requests of one.
func serveBatches(t *testing.T, o connectors.Batching, answer func(http.ResponseWriter, *http.Request, []map[string]any)) (*service, *connectors.Client) {
	t.Helper()
	s := serve(t, nil)
	s.Config.Handler = batchesOf(s.Config.Handler, answer)
	return s, s.client(t, &connectors.Options{Batching: &o})
}

func batchesOf(next http.Handler, answer func(http.ResponseWriter, *http.Request, []map[string]any)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/oauth2/") || strings.Contains(r.URL.Path, "/.well-known/") {
			next.ServeHTTP(w, r)
			return
		}
		raw, _ := io.ReadAll(r.Body)
		if !strings.HasSuffix(r.URL.Path, "/$batch") {
			answer(w, r, nil)
			return
		}
		var in struct{ Requests []map[string]any }
		if err := json.Unmarshal(raw, &in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, r, in.Requests)
	})
}

func allOK(w http.ResponseWriter, requests []map[string]any) {
	var out []string
	for _, r := range requests {
		out = append(out, fmt.Sprintf(`{"id":%q,"status":200,"headers":{"Content-Type":"application/json"},"body":{"n":1}}`, r["id"]))
	}
	reply(w, 200, `{"responses":[`+strings.Join(out, ",")+`]}`)
}

func waits(t *testing.T, c *connectors.Client, n int) {
	t.Helper()
	for end := time.After(20 * time.Second); connectors.Waiting(c) != n; {
		select {
		case <-end:
			t.Fatalf("%d requests wait, want %d", connectors.Waiting(c), n)
		case <-time.After(time.Millisecond):
		}
	}
}

// An effect whose run is taken away while its batch is under way is open, at
// once; its batch goes on for the others, and ends when nobody is left.
func TestAnEffectThatIsGivenUpInABatchIsOpen(t *testing.T) {
	holding, there, free := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s, c := serveBatches(t, connectors.Batching{Path: "$batch", Most: 20, Alone: 1}, func(w http.ResponseWriter, _ *http.Request, in []map[string]any) {
		if in == nil {
			<-holding
			reply(w, 200, `{"n":1}`)
			return
		}
		close(there)
		<-free
		allOK(w, in)
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := get(t.Context(), c, nil); err != nil {
			t.Error(err)
		}
	})
	for s.logins.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make([]error, 3)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		outcomes[0] = change(ctx, c, effect("given-up"), new(json.RawMessage))
	}()
	for i := 1; i < 3; i++ {
		wg.Go(func() { outcomes[i] = change(t.Context(), c, effect(fmt.Sprint(i)), new(json.RawMessage)) })
	}
	waits(t, c, 3)
	close(holding)
	<-there
	cancel()
	<-gone
	if e := wantCode(t, outcomes[0], connectors.Unavailable); !e.Unsure() {
		t.Error("its bytes have left, and it is said to be sure")
	}
	close(free)
	wg.Wait()
	if err := errors.Join(outcomes[1:]...); err != nil {
		t.Error(err)
	}
}

// Without a token no byte of a batch leaves.
func TestABatchWithoutATokenIsNotUnsure(t *testing.T) {
	release := make(chan struct{})
	var refused atomic.Bool
	s, c := serveBatches(t, connectors.Batching{Path: "$batch", Most: 20, Alone: 1}, func(w http.ResponseWriter, _ *http.Request, in []map[string]any) {
		if in != nil {
			t.Error("a batch was sent")
		}
		reply(w, 401, `{}`)
	})
	s.login = func(w http.ResponseWriter, _ *http.Request) {
		if refused.Swap(true) {
			reply(w, 500, `{}`)
			return
		}
		<-release
		reply(w, 200, `{"token_type":"Bearer","expires_in":1,"access_token":"token-1"}`)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = change(t.Context(), c, effect("first"), new(json.RawMessage)) })
	outcomes := make([]error, 5)
	for !refused.Load() {
		<-time.After(time.Millisecond)
	}
	for i := range outcomes {
		wg.Go(func() { outcomes[i] = change(t.Context(), c, effect(fmt.Sprint(i)), new(json.RawMessage)) })
	}
	waits(t, c, 5)
	close(release)
	wg.Wait()
	for _, err := range outcomes {
		if e := failure(t, err); e.Unsure() {
			t.Errorf("unsure: %v", e)
		}
	}
}

// What has little time left does not share its fate with others.
func TestAHastyChangeGoesAlone(t *testing.T) {
	holding := make(chan struct{})
	var alone atomic.Int64
	_, c := serveBatches(t, connectors.Batching{Path: "$batch", Most: 20, Alone: 1}, func(w http.ResponseWriter, r *http.Request, in []map[string]any) {
		if in != nil {
			allOK(w, in)
			return
		}
		alone.Add(1)
		if r.Method == http.MethodGet {
			<-holding
		}
		reply(w, 200, `{"n":1}`)
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = get(t.Context(), c, nil) })
	for alone.Load() == 0 {
		<-time.After(time.Millisecond)
	}
	ch := effect("hasty")
	ch.DoneBy = time.Now().Add(5 * time.Second)
	if err := change(t.Context(), c, ch, new(json.RawMessage)); err != nil || alone.Load() != 2 {
		t.Errorf("%v; %d went alone", err, alone.Load())
	}
	close(holding)
	wg.Wait()
}

// A lane never has more requests under way than it serves, alone and in batches
// together; other lanes are not held up.
func TestALaneIsNeverCrowded(t *testing.T) {
	var mu sync.Mutex
	under, most, inBatches := 0, 0, 0
	lane := func(path string) (string, int) {
		if strings.HasPrefix(path, "/thing") {
			return "thing", 4
		}
		return "", 0
	}
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		under += n
		most = max(most, under)
	}
	_, c := serveBatches(t, connectors.Batching{Path: "$batch", Most: 20, Alone: 2, Lane: lane}, func(w http.ResponseWriter, r *http.Request, in []map[string]any) {
		n := 0
		for _, x := range in {
			if strings.HasPrefix(x["url"].(string), "/thing") {
				n++
			}
		}
		if in == nil && strings.Contains(r.URL.Path, "/thing") {
			n = 1
		}
		count(n)
		defer count(-n)
		if in == nil {
			reply(w, 200, `{"n":1}`)
			return
		}
		mu.Lock()
		inBatches += len(in)
		mu.Unlock()
		allOK(w, in)
	})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			path := connectors.To("thing")
			if i%2 == 0 {
				path = connectors.To("other")
			}
			if _, err := c.Read(t.Context(), connectors.Request{Op: "read", Path: path}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most > 4 || most == 0 || inBatches == 0 {
		t.Errorf("%d requests of the lane at once; %d in batches", most, inBatches)
	}
}

// Whatever is cut, refused, frozen or throttled in whatever batches: what each
// effect is told fits what the tenant has of it.
func TestTheLedgerIsExactUnderRandomFaults(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 7))
			b := newBus(t)
			var faults []string
			breaks := []string{`"cut":"before"`, `"cut":"after"`, `"cut":"middle"`, `"status":429`, `"status":503`, `"status":412`, `"delay":"2ms"`, `"status":400`}
			for range 12 {
				path := "/v1.0/security/incidents/40211/comments"
				if dice.IntN(4) == 0 {
					path = "/v1.0/$batch"
				}
				faults = append(faults, fmt.Sprintf(`{"path":%q,"times":1,"after":%d,%s}`, path, 1+dice.IntN(30), breaks[dice.IntN(len(breaks))]))
			}
			b.fault("[" + strings.Join(faults, ",") + "]")
			frozen := map[int]int{}
			for i := range 60 {
				if dice.IntN(10) == 0 {
					frozen[i] = dice.IntN(3)
				}
			}
			b.exact(b.riders(60, onIncidents, func(i int) connectors.Change {
				ch := named(i)
				after, is := frozen[i]
				if is {
					ch.Frozen = func() error {
						if after--; after < 0 {
							return errFreeze
						}
						return nil
					}
					if after == 0 { // it would not come to its turn
						ch.Frozen = nil
					}
				}
				return ch
			}))
		})
	}
}
