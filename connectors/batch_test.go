package connectors_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

const twenty = 20

// bus is a client of a practice tenant that lets one request go alone; the
// others wait until it is over, and then go together.
type bus struct {
	t      *testing.T
	server *practicetest.Server
	client *connectors.Client

	mu      sync.Mutex
	batches int
	bigger  int // the most requests that came in one batch
	alone   int
}

func newBus(t *testing.T) *bus {
	t.Helper()
	b := &bus{t: t}
	inside := 0
	b.server = practicetest.Start(t, practice.Options{Observe: func(x practice.Exchange) {
		if x.Status < 300 && !x.Faulty {
			if err := practicetest.CheckRequest(x); err != nil {
				t.Error(err)
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case x.Batched:
			inside++
		case x.Route == "$batch":
			b.batches++
			b.bigger, inside = max(b.bigger, inside), 0
		case x.Route != "":
			b.alone++
		}
	}})
	b.client = practiceClient(t, b.server, &connectors.Options{Batching: &connectors.Batching{Path: "$batch", Most: twenty, Alone: 1}})
	return b
}

func practiceClient(t *testing.T, s *practicetest.Server, o *connectors.Options) *connectors.Client {
	t.Helper()
	cloud, app := connectors.PracticeCloud(s.URL, s.CAPEM), practice.FullApp()
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connectors.New(cloud, cloud.Graph, cred, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// fault sets what goes wrong with the tenant.
func (b *bus) fault(faults string) {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.PlainURL+"/practice/faults", strings.NewReader(faults))
	if err != nil {
		b.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	if raw, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusNoContent {
		b.t.Fatalf("faults: %s", raw)
	}
}

// audited counts the changes of the tenant by the ids of their effects.
func (b *bus) audited() map[string]int {
	out := map[string]int{}
	for _, x := range b.server.Tenant.Changes() {
		out[x.RequestID]++
	}
	return out
}

func commentOn(incident int) connectors.Request {
	return connectors.Request{
		Op: "comment", Method: http.MethodPost, Path: connectors.To("security", "incidents", fmt.Sprint(incident), "comments"),
		Body: map[string]string{"comment": "seen"},
	}
}

func effect(name string) connectors.Change {
	return connectors.Change{ID: name, SendBy: time.Now().Add(20 * time.Second), DoneBy: time.Now().Add(25 * time.Second)}
}

// hold keeps the one place taken until the answered function is called.
func (b *bus) hold() (release func()) {
	b.t.Helper()
	if _, err := b.client.Read(b.t.Context(), connectors.Request{Op: "sign in", Path: connectors.To("organization")}, nil); err != nil {
		b.t.Fatal(err)
	}
	at, free, asked := make(chan struct{}), make(chan struct{}), 0
	ch := effect("holder")
	ch.Frozen = func() error {
		if asked++; asked > 1 { // right before its first byte
			close(at)
			<-free
		}
		return nil
	}
	done := make(chan error, 1)
	go func() {
		_, err := b.client.Send(b.t.Context(), ch, commentOn(40211), new(json.RawMessage))
		done <- err
	}()
	<-at
	return func() {
		close(free)
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	}
}

// queued waits until so many requests wait for their turn.
func (b *bus) queued(n int) {
	b.t.Helper()
	for end := time.After(20 * time.Second); connectors.Waiting(b.client) != n; {
		select {
		case <-end:
			b.t.Fatalf("%d requests wait, want %d", connectors.Waiting(b.client), n)
		case <-time.After(time.Millisecond):
		}
	}
}

// riders sends n effects that go together, each in the bounds that ch gives it,
// and answers what became of each.
func (b *bus) riders(n int, request func(int) connectors.Request, change func(int) connectors.Change) []error {
	b.t.Helper()
	release := b.hold()
	out := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { _, out[i] = b.client.Send(b.t.Context(), change(i), request(i), new(json.RawMessage)) })
	}
	b.queued(n)
	release()
	wg.Wait()
	return out
}

func onIncidents(int) connectors.Request { return commentOn(40211) }
func named(i int) connectors.Change      { return effect(fmt.Sprintf("effect-%d", i)) }

// exact holds what a client was told of its effects against the tenant's audit:
// what succeeded stands there once, what is sure not to have happened never, and
// what is open at most once.
func (b *bus) exact(outcomes []error) {
	b.t.Helper()
	audit := b.audited()
	for i, err := range outcomes {
		id := named(i).ID
		n := audit[id]
		delete(audit, id)
		e, failed := errors.AsType[*connectors.Error](err)
		switch {
		case err == nil && n != 1:
			b.t.Errorf("%s is done and stands %d times in the audit", id, n)
		case err != nil && !failed:
			b.t.Errorf("%s: %v", id, err)
		case failed && e.Unsure() && n > 1, failed && !e.Unsure() && n > 0:
			b.t.Errorf("%s stands %d times in the audit: %v", id, n, err)
		}
	}
	delete(audit, "holder")
	for id, n := range audit {
		b.t.Errorf("%s stands %d times in the audit and is no effect", id, n)
	}
}

func TestWhatWouldWaitGoesTogether(t *testing.T) {
	b := newBus(t)
	release := b.hold()
	var wg sync.WaitGroup
	names := make([]string, 4)
	for i := range 25 {
		wg.Go(func() {
			if i < 4 {
				var org struct {
					Value []struct{ DisplayName string }
				}
				if _, err := b.client.Read(t.Context(), connectors.Request{Op: "read", Path: connectors.To("organization")}, &org); err != nil || len(org.Value) != 1 {
					t.Errorf("%v, %v", org, err)
					return
				}
				names[i] = org.Value[0].DisplayName
				return
			}
			reply, err := b.client.Send(t.Context(), named(i), onIncidents(i), new(json.RawMessage))
			if err != nil || reply.Status != 200 || reply.RequestID == "" || reply.RequestID == named(i).ID {
				t.Errorf("%+v, %v", reply, err)
			}
		})
	}
	b.queued(25)
	release()
	wg.Wait()
	if b.batches != 2 || b.bigger != twenty || b.alone != 2 || strings.Join(names, "") != "ContosoContosoContosoContoso" {
		t.Errorf("%d batches, the bigger of %d; %d alone; %v", b.batches, b.bigger, b.alone, names)
	}
	audit := b.audited()
	for i := 4; i < 25; i++ {
		if audit[named(i).ID] != 1 {
			t.Errorf("effect %d stands %d times in the audit", i, audit[named(i).ID])
		}
	}
}

// A batch of twenty effects is cut before, after and in the middle of its answer,
// and refused as a whole: what each is told is so.
func TestTheLedgerIsExactWhateverBecomesOfABatch(t *testing.T) {
	for name, x := range map[string]struct {
		fault string
		code  connectors.Code
		open  bool
		n     int // of each in the audit
		wait  time.Duration
	}{
		"cut before":       {`"cut":"before"`, connectors.Unavailable, true, 0, 0},
		"cut after":        {`"cut":"after"`, connectors.Unavailable, true, 1, 0},
		"cut in the midst": {`"cut":"middle"`, connectors.Unavailable, true, 1, 0},
		"throttled":        {`"status":429,"headers":{"Retry-After":"7"}`, connectors.Throttled, false, 0, 7 * time.Second},
		"unavailable":      {`"status":503,"headers":{"Retry-After":"9"}`, connectors.Unavailable, true, 0, 9 * time.Second},
		"no token taken":   {`"status":401`, "", false, 1, 0},
		"forbidden":        {`"status":403`, connectors.Forbidden, false, 0, 0},
		"no JSON":          {`"status":200,"headers":{"Content-Type":"text/html"},"body":"<p>proxy</p>"`, connectors.Unavailable, true, 0, 0},
		"no answers":       {`"status":200,"body":{"value":[]}`, connectors.Unavailable, true, 0, 0},
		"a redirect":       {`"status":302`, connectors.Failed, true, 0, 0},
		"an older 424":     {`"status":424,"body":{"responses":[{"id":"0","status":429},{"id":"0","status":429}]}`, connectors.Unavailable, true, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBus(t)
			b.fault(`[{"path":"/v1.0/$batch","times":1,` + x.fault + `}]`)
			outcomes := b.riders(twenty, onIncidents, named)
			b.exact(outcomes)
			audit := b.audited()
			for i, err := range outcomes {
				if x.code == "" { // sent again with another token: nothing of it had been done
					if err != nil || audit[named(i).ID] != x.n {
						t.Errorf("%s: %d times in the audit: %v", named(i).ID, audit[named(i).ID], err)
					}
					continue
				}
				e := wantCode(t, err, x.code)
				if e.Unsure() != x.open || audit[named(i).ID] != x.n || e.Wait != x.wait {
					t.Errorf("%s: open %v, %d times in the audit, wait %v: %v", named(i).ID, e.Unsure(), audit[named(i).ID], e.Wait, err)
				}
			}
		})
	}
}

// Each is judged by its own answer; one without is open.
func TestEachEffectOfABatchIsJudgedAlone(t *testing.T) {
	b := newBus(t)
	at := func(path, fault string) string {
		return `{"method":"POST","path":"/v1.0/security/incidents/` + path + `/comments","times":1,` + fault + `}`
	}
	b.fault("[" + strings.Join([]string{
		at("1", `"cut":"before"`), at("2", `"cut":"after"`), at("3", `"cut":"middle"`), at("4", `"status":429,"headers":{"Retry-After":"3"}`),
		at("5", `"status":503`), at("6", `"status":412`), at("7", `"status":200,"body":"<p>proxy</p>","headers":{"Content-Type":"text/html"}`),
		at("8", `"status":504`), at("9", `"status":401`),
		at("10", `"status":200,"body":{"error":{"code":"unexpected","message":"no"}}`),
	}, ",") + "]")
	for _, i := range []int{2, 3} { // those that are applied are there
		if _, err := b.server.Tenant.Inject([]byte(fmt.Sprintf(`{"id":"%d"}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	outcomes := b.riders(twenty, func(i int) connectors.Request {
		if i < 11 {
			return commentOn(i)
		}
		return commentOn(40211)
	}, named)
	b.exact(outcomes)
	audit := b.audited()
	for i, want := range []struct {
		code connectors.Code
		open bool
		n    int
	}{
		{connectors.NotFound, false, 0},
		{connectors.Unavailable, true, 0},
		{connectors.Unavailable, true, 1},
		{connectors.Unavailable, true, 1},
		{connectors.Throttled, false, 0},
		{connectors.Unavailable, true, 0},
		{connectors.Conflict, false, 0},
		{connectors.Failed, true, 0},
		{connectors.Timeout, true, 0},
		{connectors.NotFound, false, 0},
		{connectors.Failed, true, 0},
	} {
		e := wantCode(t, outcomes[i], want.code)
		if e.Unsure() != want.open || audit[named(i).ID] != want.n {
			t.Errorf("effect %d: open %v, %d times in the audit: %v", i, e.Unsure(), audit[named(i).ID], e)
		}
		if i == 4 && e.Wait != 3*time.Second {
			t.Errorf("its own Retry-After is %v", e.Wait)
		}
	}
	for i := 11; i < twenty; i++ {
		if outcomes[i] != nil {
			t.Errorf("effect %d: %v", i, outcomes[i])
		}
	}
	if b.batches != 1 {
		t.Errorf("%d batches", b.batches)
	}
}

// A gate that closes before the first byte takes its effect out; the others go.
func TestAClosedGateTakesItsEffectOutOfABatch(t *testing.T) {
	b := newBus(t)
	var mu sync.Mutex
	asked := map[int]int{}
	outcomes := b.riders(twenty, onIncidents, func(i int) connectors.Change {
		ch := named(i)
		ch.Frozen = func() error {
			mu.Lock()
			defer mu.Unlock()
			if asked[i]++; asked[i] > 1 && i%5 == 0 {
				return errFreeze
			}
			return nil
		}
		return ch
	})
	b.exact(outcomes)
	for i, err := range outcomes {
		if i%5 != 0 {
			if err != nil {
				t.Errorf("effect %d: %v", i, err)
			}
			continue
		}
		if e := wantCode(t, err, connectors.Refused, "not sent", "frozen by dana"); e.Unsure() || !errors.Is(err, errFreeze) {
			t.Errorf("effect %d: %v", i, err)
		}
	}
	if b.batches != 1 || b.bigger != 16 {
		t.Errorf("%d batches of %d", b.batches, b.bigger)
	}
}

// When all gates are closed no byte of the batch leaves.
func TestAFreezeStopsAWholeBatch(t *testing.T) {
	b := newBus(t)
	frozen := false
	var mu sync.Mutex
	release := b.hold()
	outcomes := make([]error, twenty)
	var wg sync.WaitGroup
	for i := range twenty {
		wg.Go(func() {
			ch := named(i)
			ch.Frozen = func() error {
				mu.Lock()
				defer mu.Unlock()
				if frozen {
					return errFreeze
				}
				return nil
			}
			_, outcomes[i] = b.client.Send(t.Context(), ch, commentOn(40211), new(json.RawMessage))
		})
	}
	b.queued(twenty)
	mu.Lock()
	frozen = true
	mu.Unlock()
	release()
	wg.Wait()
	b.exact(outcomes)
	for _, err := range outcomes {
		if e := wantCode(t, err, connectors.Refused); e.Unsure() {
			t.Error(e)
		}
	}
	if b.batches != 0 {
		t.Error("a batch was sent")
	}
}

// One whose time is over leaves the queue, of one that is under way it is open;
// the others are not hurt.
func TestOneThatIsCancelledLeavesTheOthersAlone(t *testing.T) {
	b := newBus(t)
	release := b.hold()
	ctx, cancel := context.WithCancel(t.Context())
	outcomes := make([]error, 4)
	var early, late sync.WaitGroup
	early.Go(func() { _, outcomes[0] = b.client.Send(ctx, named(0), commentOn(40211), new(json.RawMessage)) })
	b.queued(1)
	for i := 1; i < 4; i++ {
		late.Go(func() {
			with := t.Context()
			if i == 1 {
				c, stop := context.WithTimeout(with, 10*time.Minute)
				defer stop()
				with = c
			}
			_, outcomes[i] = b.client.Send(with, named(i), commentOn(40211), new(json.RawMessage))
		})
	}
	b.queued(4)
	cancel()
	early.Wait()
	b.queued(3)
	if e := wantCode(t, outcomes[0], connectors.Unavailable, "given up"); e.Unsure() {
		t.Error(e)
	}
	release()
	late.Wait()
	b.exact(outcomes)
	for i := 1; i < 4; i++ {
		if outcomes[i] != nil {
			t.Errorf("effect %d: %v", i, outcomes[i])
		}
	}
}

// What an API cannot take as a batch goes request by request; where it knows no
// batches, from then on.
func TestABatchThatIsNotTakenGoesRequestByRequest(t *testing.T) {
	for status, later := range map[int]int{400: 1, 413: 1, 404: 0, 405: 0} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			b := newBus(t)
			b.fault(fmt.Sprintf(`[{"path":"/v1.0/$batch","times":1,"status":%d}]`, status))
			outcomes := b.riders(5, onIncidents, named)
			b.exact(outcomes)
			if err := errors.Join(outcomes...); err != nil {
				t.Fatal(err)
			}
			n := b.batches
			again := b.riders(5, onIncidents, func(i int) connectors.Change { return effect(fmt.Sprintf("again-%d", i)) })
			if err := errors.Join(again...); err != nil {
				t.Error(err)
			}
			if b.batches-n != later {
				t.Errorf("%d batches afterwards, want %d", b.batches-n, later)
			}
		})
	}
}
