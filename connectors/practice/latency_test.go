package practice_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stanch/connectors/practice"
)

// Of a tenant that serves so many calls at once the others wait, and a batch is
// as many as its requests.
func TestOnlySoManyCallsAreServedAtOnce(t *testing.T) {
	for _, x := range []struct {
		name          string
		alone, batch  int
		atOnce        int
		latency, want time.Duration
	}{
		{"no limit", 7, 0, 0, time.Second, time.Second},
		{"fewer than it serves", 3, 0, 3, time.Second, time.Second},
		{"one after another", 3, 0, 1, time.Second, 3 * time.Second},
		{"two at once", 5, 0, 2, time.Second, 3 * time.Second},
		{"a batch", 0, 6, 3, time.Second, 2 * time.Second},
		{"a batch of more than it serves", 0, 5, 2, time.Second, 3 * time.Second},
		{"a batch and others", 2, 4, 2, time.Second, 3 * time.Second},
		{"no latency", 9, 9, 1, 0, 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tenant, err := practice.New(practice.Options{Latency: x.latency, AtOnce: x.atOnce})
				if err != nil {
					t.Fatal(err)
				}
				begun := time.Now()
				var calls sync.WaitGroup
				call := func(r *http.Request) {
					calls.Go(func() { tenant.Handler().ServeHTTP(httptest.NewRecorder(), r) })
				}
				for range x.alone {
					call(httptest.NewRequest(http.MethodGet, "/v1.0/users", nil))
				}
				if x.batch > 0 {
					one := `{"id":"1","method":"GET","url":"/users"}`
					call(httptest.NewRequest(http.MethodPost, "/v1.0/$batch", strings.NewReader(`{"requests":[`+one+strings.Repeat(","+one, x.batch-1)+`]}`)))
				}
				calls.Wait()
				if took := time.Since(begun); took != x.want {
					t.Errorf("it took %s, not %s", took, x.want)
				}
			})
		})
	}
}
