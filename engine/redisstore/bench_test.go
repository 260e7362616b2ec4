package redisstore_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"stanch/actions"
	"stanch/connectors/incident"
	"stanch/engine"
	"stanch/engine/redisstore"
	"stanch/engine/redisstore/redistest"
	"stanch/playbooks"
)

// cpu is the processor time that this process and a server have used, in
// microseconds.
func cpu(b *testing.B, server *redistest.Server) (own, servers float64) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"used_cpu_sys_main_thread", "used_cpu_user_main_thread"} {
		v, err := strconv.ParseFloat(server.Info("cpu")[name], 64)
		if err != nil {
			b.Fatal(err)
		}
		servers += v * 1e6
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1000, servers
}

// measured reports steps a second and the processor time of each.
func measured(b *testing.B, server *redistest.Server, f func()) {
	own, servers := cpu(b, server)
	b.ResetTimer()
	begun := time.Now()
	f()
	took := time.Since(begun)
	b.StopTimer()
	own2, servers2 := cpu(b, server)
	b.ReportMetric(float64(b.N)/took.Seconds(), "steps/s")
	b.ReportMetric((own2-own)/float64(b.N), "own-us/step")
	b.ReportMetric((servers2-servers)/float64(b.N), "server-us/step")
}

// benchStore opens a store on a server with a log that is synced as told.
func benchStore(b *testing.B, fsync string) (*redisstore.Store, *redistest.Server) {
	b.Helper()
	server := redistest.Start(b, redistest.Options{AppendOnly: true, Fsync: fsync})
	s, err := redisstore.Open(b.Context(), redisstore.Options{Addrs: []string{server.Addr()}, Work: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s, server
}

// BenchmarkSettle measures the acts of the store alone: 256 runs at once, each of
// a claim and ten settles with a fact of 190 bytes.
func BenchmarkSettle(b *testing.B) {
	for _, fsync := range []string{"everysec", "always"} {
		b.Run(fsync, func(b *testing.B) {
			s, server := benchStore(b, fsync)
			fact := [][]byte{make([]byte, 190)}
			head := make([]byte, 2000)
			var serial atomic.Int64
			runs := make(chan struct{}, 256)
			measured(b, server, func() {
				var wg sync.WaitGroup
				left := atomic.Int64{}
				left.Store(int64(b.N))
				for range 256 {
					wg.Go(func() {
						for left.Add(-10) > -10 {
							id := strconv.FormatInt(serial.Add(1), 10)
							if _, err := s.Begin(b.Context(), engine.Begin{Request: id, Playbook: "p", Subject: id, Dedupe: id, Edition: "e", Mode: "live", Head: head, Key: "p"}); err != nil {
								b.Error(err)
								return
							}
							runs <- struct{}{}
						}
					})
				}
				strands := make(chan engine.Strand, 256)
				done := make(chan struct{})
				var workers sync.WaitGroup
				for range 256 {
					workers.Go(func() {
						for st := range strands {
							settleTen(b, s, st, fact)
							<-runs
						}
					})
				}
				go func() {
					defer close(strands)
					for {
						select {
						case <-done:
							return
						default:
						}
						c, err := s.Claim(b.Context(), engine.Claim{Worker: "w", Max: 64, Last: time.Minute})
						if err != nil {
							b.Error(err)
							return
						}
						for _, st := range c.Strands {
							strands <- st
						}
						if len(c.Strands) == 0 {
							_ = s.Wait(b.Context(), time.Now().Add(time.Millisecond))
						}
					}
				}()
				wg.Wait()
				close(done)
				workers.Wait()
			})
		})
	}
}

func settleTen(b *testing.B, s *redisstore.Store, st engine.Strand, fact [][]byte) {
	in := engine.Settlement{Lease: st.Lease, Facts: fact}
	for i := range 10 {
		in.Request = st.Run + strconv.Itoa(i)
		if i == 9 {
			in.Then.End = &engine.End{Outcome: "succeeded"}
		}
		a, err := s.Settle(b.Context(), in)
		if err != nil {
			b.Error(err)
			return
		}
		in.Lease.Seq, in.Seen = in.Lease.Seq+1, a.Seen
	}
}

type nothing struct{}

// BenchmarkEngine measures the engine on the store: 256 runs of ten steps at
// once, that read or have an effect each, with an incident as they come.
func BenchmarkEngine(b *testing.B) {
	for _, c := range [][2]string{{"everysec", "read"}, {"always", "read"}, {"everysec", "write"}, {"always", "write"}} {
		fsync, step := c[0], c[1]
		b.Run(fsync+"/"+step, func(b *testing.B) {
			s, server := benchStore(b, fsync)
			catalog := actions.Of(map[string]actions.Action{"no.write": noWrite(), "no.read": actions.Spec[nothing, nothing]{
				Doc: "Do nothing.", Class: actions.Reads,
				Read: func(context.Context, actions.Call, nothing) (nothing, error) { return nothing{}, nil },
			}.Action()})
			watched := &ends{Store: s, ch: map[string]chan struct{}{}}
			e := engine.New(watched, s, catalog, engine.Options{Workers: 256, Guardrails: playbooks.Guardrails{MaxTargets: map[string]int{"files": 1000}}, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
			book, findings := playbooks.LoadAndCheck("b.yaml", []byte("playbook: b\ntitle: B\nstatus: stable\non: {manual: {}}\nsteps:\n"+strings.Repeat("  - uses: no."+step+"\n", 10)), e.World())
			if playbooks.HasErrors(findings) {
				b.Fatal(findings[0].Text())
			}
			ctx, stop := context.WithCancel(b.Context())
			worked := make(chan error, 1)
			go func() { worked <- e.Work(ctx) }()
			measured(b, server, func() {
				var serial, left atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				for range 256 {
					wg.Go(func() {
						for left.Add(-10) > -10 {
							id := "defender/" + strconv.FormatInt(serial.Add(1), 10)
							raw, _ := json.Marshal(incident.Incident{ID: id, Source: incident.Defender, Title: strings.Repeat("Payroll data shared outside ", 30), Severity: "high", Status: "active"})
							ev := playbooks.Event{ID: id, Trigger: "incident", Kind: "manual", At: time.Now(), Incident: raw}
							got, err := e.Start(b.Context(), engine.Start{Book: book, Event: ev, Mode: engine.ModeLive, By: "bench"})
							if err != nil {
								b.Error(err)
								return
							}
							<-watched.end(got.Run)
						}
					})
				}
				wg.Wait()
			})
			stop()
			if err := <-worked; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// noWrite is an effect that does nothing.
func noWrite() actions.Action {
	return actions.Spec[nothing, nothing]{
		Doc: "Do nothing, as an effect.", Class: actions.Writes, NoUndo: "nothing was done",
		Plan: func(context.Context, actions.Call, nothing) ([]actions.Effect, nothing, error) {
			return []actions.Effect{{
				Target: actions.Target{Kind: "file", ID: "x", Name: "x", Entities: []actions.Entity{{Kind: "file", ID: "x"}}},
				Before: json.RawMessage(`{"shared":true}`), After: json.RawMessage(`{"shared":false}`),
			}}, nothing{}, nil
		},
		Do: func(context.Context, actions.Call, actions.Effect) (actions.Outcome, error) {
			return actions.Outcome{}, nil
		},
		Check: func(context.Context, actions.Call, actions.Effect) (actions.Finding, error) {
			return actions.Finding{Answer: actions.Happened}, nil
		},
	}.Action()
}

// ends tells when runs end.
type ends struct {
	*redisstore.Store
	mu sync.Mutex
	ch map[string]chan struct{}
}

func (w *ends) Settle(ctx context.Context, in engine.Settlement) (engine.Settled, error) {
	a, err := w.Store.Settle(ctx, in)
	if err == nil && in.Then.End != nil && in.Lease.Strand == "" {
		close(w.end(in.Lease.Run))
	}
	return a, err
}

func (w *ends) end(run string) chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch, ok := w.ch[run]
	if ok {
		delete(w.ch, run)
		return ch
	}
	ch = make(chan struct{})
	w.ch[run] = ch
	return ch
}
