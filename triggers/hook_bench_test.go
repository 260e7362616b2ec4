package triggers_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/playbooks"
	"stanch/triggers"
)

// BenchmarkHookAccept sends signed requests at 500 a second to a real server on
// a SQLite file, and reports how long the answers take. Nothing works on the
// runs: what is measured is the way to 202.
func BenchmarkHookAccept(b *testing.B) {
	const perSecond, senders = 500, 32
	x := newHookBench(b, filepath.Join(b.TempDir(), "s.db"), false, func(w playbooks.World) []triggers.Hook { return reportingHook(w, b) })
	x.server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = senders
	jobs := make(chan int, perSecond)
	took := make([]time.Duration, b.N)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for i := range jobs {
				begun := time.Now()
				h, err := x.try(http.MethodPost, "/hooks/dlp", signedHead(hookSecret, fmt.Sprintf("msg_%d", i), begun, report), strings.NewReader(report))
				took[i] = time.Since(begun)
				if err != nil || h.status != http.StatusAccepted {
					b.Errorf("%+v (%v)", h, err)
				}
			}
		})
	}
	tick := time.NewTicker(time.Second / perSecond)
	defer tick.Stop()
	b.ResetTimer()
	for i := range b.N {
		<-tick.C
		jobs <- i
	}
	close(jobs)
	wg.Wait()
	b.StopTimer()
	slices.Sort(took)
	ms := func(at float64) float64 { return took[int(at*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.5), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}
