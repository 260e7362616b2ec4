package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors/practice"
)

// asTenant names the variable that makes this test binary the tenant of a
// benchmark: in a process of its own it takes no memory of what is measured.
const asTenant = "STANCH_TENANT_OF_A_BENCHMARK"

// manyOptions are how the tenant of a benchmark is to be.
type manyOptions struct {
	Company  json.RawMessage
	Latency  time.Duration
	AtOnce   int // calls that the latency passes for at once
	Throttle float64
}

// manyTenant is a tenant in a process of its own.
type manyTenant struct {
	URL string
	CA  []byte

	asks    *json.Encoder
	answers *json.Decoder
}

// manyCounts are how its APIs were called.
type manyCounts struct {
	Calls, Refused int64
	Requests       int64     // over the wire: a batch is one
	SharePoint     int64     // units that were used
	Last           time.Time // when the last call was answered
}

func startMany(b *testing.B, o manyOptions) *manyTenant {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asTenant+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close() // then it ends
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	t := &manyTenant{asks: json.NewEncoder(in), answers: json.NewDecoder(bufio.NewReader(out))}
	if err := t.asks.Encode(o); err != nil {
		b.Fatal(err)
	}
	if err := t.answers.Decode(t); err != nil {
		b.Fatal(err)
	}
	return t
}

func (t *manyTenant) counts(b *testing.B) (c manyCounts) {
	b.Helper()
	if err := t.asks.Encode("counts"); err != nil {
		b.Fatal(err)
	}
	if err := t.answers.Decode(&c); err != nil {
		b.Fatal(err)
	}
	return c
}

// serveMany is the tenant's process: it reads its options, says where it is, and
// answers its counts as often as it is asked.
func serveMany() error {
	asks, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var in manyOptions
	if err := asks.Decode(&in); err != nil {
		return err
	}
	var calls, refused, requests, last atomic.Int64
	tenant, err := practice.New(practice.Options{
		Company: in.Company, Latency: in.Latency, AtOnce: in.AtOnce, Throttle: in.Throttle, TokenLife: time.Hour,
		Observe: func(x practice.Exchange) {
			if !x.Batched {
				requests.Add(1)
			}
			if x.Route == "$batch" {
				return // its calls were told one by one
			}
			calls.Add(1)
			last.Store(time.Now().UnixNano())
			if x.Status == http.StatusTooManyRequests {
				refused.Add(1)
			}
		},
	})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tenant")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cert, ca, err := practice.Certificate(dir)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- practice.Serve(ctx, l, tenant, cert) }()
	err = answers.Encode(manyTenant{URL: "https://" + l.Addr().String(), CA: ca})
	for err == nil {
		var what string
		if asks.Decode(&what) != nil { // nobody asks any more
			break
		}
		err = answers.Encode(manyCounts{calls.Load(), refused.Load(), requests.Load(), tenant.Spent()["sharepoint"], time.Unix(0, last.Load())})
	}
	stop()
	if ended := <-done; err == nil {
		err = ended
	}
	return err
}

// tenantMain is main of such a process.
func tenantMain() int {
	if err := serveMany(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
