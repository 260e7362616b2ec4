package connectors_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stanch/connectors"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

func TestARequestSaysWhoAsksAndWhat(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Authorization"); got != "Bearer token-1" {
			t.Errorf("Authorization %q", got)
		}
		if len(r.Header.Get("Client-Request-Id")) != 36 || r.Header.Get("Accept") != "application/json" ||
			!strings.HasPrefix(r.Header.Get("User-Agent"), "NONISV|Stanch|") {
			t.Errorf("headers %v", r.Header)
		}
		if r.URL.RawQuery != "$filter=a%20eq%20'x%2By'" && r.URL.RawQuery != "$filter=a%20eq%20%27x%2By%27" {
			t.Errorf("query %s", r.URL.RawQuery)
		}
		reply(w, 200, `{"n": 7}`)
	})
	c := s.client(t, nil)
	for range 3 {
		var out struct{ N int }
		_, err := c.Read(t.Context(), connectors.Request{
			Op: "get thing", Path: connectors.To("thing"),
			Query: []connectors.Param{{Key: "$filter", Value: "a eq 'x+y'"}},
		}, &out)
		if err != nil || out.N != 7 {
			t.Fatalf("got %+v, %v", out, err)
		}
	}
	if n := s.logins.Load(); n != 1 {
		t.Errorf("%d logins for one token", n)
	}
}

// What an answer other than the wished one means; numbers are those of the
// project's list of bad inputs.
func TestBad(t *testing.T) {
	json200 := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, body) }
	}
	cases := []struct {
		name   string
		answer http.HandlerFunc
		code   connectors.Code
		unsure bool // as the answer to a change
		says   string
	}{
		{"086 a success that holds an error", json200(`{"error":{"code":"partialFailure","message":"half of it"}}`), connectors.Failed, true, "partialFailure: answered as a success, but: half of it"},
		{"087 a login page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "<html>\n<title>Sign in\x1b[31m</title>"+strings.Repeat("x", 9000))
		}, connectors.Failed, true, `the answer is not JSON but text/html: "<html> <title>Sign in\x1b[31m</title>xxx`},
		{"088 truncated JSON", json200(`{"n": [1, 2`), connectors.Failed, true, "no sound JSON: unexpected end of JSON input"},
		{"088 trailing garbage", json200(`{"n": 1} {"n": 2}`), connectors.Failed, true, "no sound JSON"},
		{"088 doubled keys", json200(`{"a": {"n": 1, "\u006e": 2}}`), connectors.Failed, true, `the key "n" stands twice`},
		{"088 another shape", json200(`{"n": "seven"}`), connectors.Failed, true, "another shape"},
		{"088 nothing", json200(``), connectors.Failed, true, "empty"},
		{"088 cut in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "500")
			_, _ = io.WriteString(w, `{"n": 1`)
			_ = http.NewResponseController(w).Flush()
			cut(w)
		}, connectors.Unavailable, true, "cut off"},
		{"089 gzip bomb", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, io.LimitReader(spaces{}, 40<<20))
			_ = z.Close()
		}, connectors.Limit, true, "larger than 33554432 bytes"},
		{"089 encoding not asked for", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "br, gzip")
			reply(w, 200, "xxxx")
		}, connectors.Failed, true, "encoding that was not asked for: br, gzip"},
		{"093 redirect", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/latest")
			w.WriteHeader(http.StatusFound)
		}, connectors.Failed, true, "redirect, which is not followed"},
		{"100 claims challenge", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="`)
			reply(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Continuous access evaluation"}}`)
		}, connectors.Unauthorized, false, "continuous access evaluation"},
		{"101 forbidden", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Request-Id", "req-9")
			reply(w, 403, `{"error":{"code":"accessDenied","message":"No"}}`)
		}, connectors.Forbidden, false, "403 forbidden: accessDenied: No; needs the application permission Thing.Read"},
		{"103 changed since", func(w http.ResponseWriter, _ *http.Request) { reply(w, 412, `{}`) }, connectors.Conflict, false, "412 conflict"},
		{"105 cut before an answer", func(w http.ResponseWriter, _ *http.Request) { cut(w) }, connectors.Unavailable, true, "closed the connection"},
		{"107 clock", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", time.Now().Add(9*time.Minute).UTC().Format(http.TimeFormat))
			reply(w, 401, `{"error":{"code":"InvalidAuthenticationToken","message":"Lifetime validation failed, the token is not yet valid."}}`)
		}, connectors.Unauthorized, false, "behind the service's"},
		{"110 gone", func(w http.ResponseWriter, _ *http.Request) { reply(w, 410, `{}`) }, connectors.Failed, false, "version of the API"},
		{"not found", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 404, `{"error":{"code":"itemNotFound","message":"Gone","innerError":{"code":"deeper","request-id":"r-1"}}}`)
		}, connectors.NotFound, false, "itemNotFound: deeper: Gone (request r-1)"},
		{"locked", func(w http.ResponseWriter, _ *http.Request) { reply(w, 423, `{"error":{"code":"locked"}}`) }, connectors.Locked, false, ""},
		{"throttled", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "2.5")
			reply(w, 429, `{"error":{"code":"activityLimitReached","message":"Slow"}}`)
		}, connectors.Throttled, false, "asked to wait 2.5s"},
		{"server error", func(w http.ResponseWriter, _ *http.Request) { reply(w, 500, `oops`) }, connectors.Unavailable, true, `no reason given, but: "oops"`},
		{"gateway timeout", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(504) }, connectors.Timeout, true, "504 timeout: no reason given"},
		{"bad request", func(w http.ResponseWriter, _ *http.Request) {
			reply(w, 400, `{"error":{"code":"invalidRequest","message":"line\n\u001b[2Jtwo ?tempAuth=tempauth-value&x=1"}}`)
		}, connectors.Invalid, false, `line \x1b[2Jtwo ?tempAuth=[secret]`},
		{"112 headers without end", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("h", 200))
			}
			w.WriteHeader(200)
		}, connectors.Limit, true, "of headers"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.answer)
			client := s.client(t, nil)
			var out struct{ N int }
			e := wantCode(t, get(t.Context(), client, &out), c.code, c.says)
			if e.Unsure() {
				t.Error("a read is unsure; it changes nothing")
			}
			before := s.calls.Load()
			e = wantCode(t, change(t.Context(), client, soon(), &out), c.code)
			if e.Unsure() != c.unsure {
				t.Errorf("unsure %v; want %v: %v", e.Unsure(), c.unsure, e)
			}
			if n := s.calls.Load() - before; n != 1 && !strings.HasPrefix(c.name, "100") {
				t.Errorf("the change was sent %d times", n)
			}
		})
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestBad090SlowAnswersEndAtTheTotalDeadline(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"no header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"body stops": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"n":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, afterFirst(answer)).client(t, &connectors.Options{Timeout: time.Second})
			warm(t, c)
			e := wantCode(t, get(t.Context(), c, new(any)), connectors.Timeout, "in time")
			if !errors.Is(e, context.DeadlineExceeded) {
				t.Errorf("cause %v", e.Cause)
			}
			e = wantCode(t, change(t.Context(), c, soon(), nil), connectors.Timeout)
			if !e.Unsure() {
				t.Error("a change that was sent and not answered is unsure")
			}
		})
	}
}

// afterFirst answers the first request well and the others by answer.
func afterFirst(answer http.HandlerFunc) http.HandlerFunc {
	var calls atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			reply(w, 200, `{}`)
			return
		}
		answer(w, r)
	}
}

// warm makes the first request, so that token and connection are there.
func warm(t *testing.T, c *connectors.Client) {
	t.Helper()
	if err := get(t.Context(), c, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeEndsAtDoneBy(t *testing.T) {
	c := serve(t, afterFirst(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })).client(t, nil)
	warm(t, c)
	ch := soon()
	ch.DoneBy = time.Now().Add(time.Second)
	began := time.Now()
	e := wantCode(t, change(t.Context(), c, ch, nil), connectors.Timeout)
	if !e.Unsure() || time.Since(began) > 10*time.Second {
		t.Errorf("unsure %v after %s", e.Unsure(), time.Since(began))
	}
}

func TestACancelledCallIsToldFromAFailure(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }).client(t, nil)
	err := change(ctx, c, soon(), nil)
	if e := wantCode(t, err, connectors.Unavailable, "given up"); !errors.Is(err, context.Canceled) || !e.Unsure() {
		t.Errorf("canceled %v, unsure %v", errors.Is(err, context.Canceled), e.Unsure())
	}
}

func TestBad093RedirectsAreNotFollowed(t *testing.T) {
	elsewhere := serve(t, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", elsewhere.URL+"/x?tempauth=tempauth-value")
			w.WriteHeader(status)
		})
		c := s.client(t, nil)
		wantCode(t, get(t.Context(), c, new(any)), connectors.Failed, "redirect")
		wantCode(t, change(t.Context(), c, soon(), nil), connectors.Failed, "redirect")
		if s.calls.Load() != 2 {
			t.Errorf("%d: %d calls", status, s.calls.Load())
		}
	}
	if n := elsewhere.calls.Load() + elsewhere.logins.Load(); n != 0 {
		t.Errorf("the other host was asked %d times", n)
	}
}

func TestBad094And095PagesStayAndEnd(t *testing.T) {
	s := serve(t, nil)
	host := strings.TrimPrefix(s.URL, "https://")
	_, port, _ := net.SplitHostPort(host)
	links := map[string]connectors.Code{
		"http://" + host + "/v1.0/things":                 connectors.Refused,
		"https://graph.microsoft.com.evil.example/v1.0/x": connectors.Refused,
		"https://" + host + ".evil.example/v1.0/x":        connectors.Refused,
		"https://user@" + host + "/v1.0/x":                connectors.Refused,
		"https://" + host + "@evil.example/v1.0/x":        connectors.Refused,
		"https://localhost:" + port + "/v1.0/x":           connectors.Refused,
		"https://127.0.0.1/v1.0/x":                        connectors.Refused,
		"//evil.example/x":                                connectors.Refused,
		"/v1.0/things?$skiptoken=2":                       connectors.Refused,
		"https://" + host + "/v1.0/../x":                  connectors.Refused,
		"%zz":                                             connectors.Refused,
		"https://" + host + "/v1.0/circle":                connectors.Failed,
		"https://" + host + "/v1.0/endless?n=0":           connectors.Limit,
	}
	for link, code := range links {
		n := 0
		s.Config.Handler = withLogin(s, func(w http.ResponseWriter, r *http.Request) {
			n++
			next := link
			if r.URL.Path == "/v1.0/endless" {
				next = fmt.Sprintf("https://%s/v1.0/endless?n=%d", host, n)
			}
			b, _ := json.Marshal(next)
			reply(w, 200, `{"value": [], "@odata.nextLink": `+string(b)+`}`)
		})
		c := s.client(t, &connectors.Options{MaxPages: 20})
		_, err := connectors.List[any](t.Context(), c, connectors.Request{Op: "list things", Path: connectors.To("things")})
		wantCode(t, err, code)
		if code == connectors.Refused && n != 1 {
			t.Errorf("%s: %d requests", link, n)
		}
		if n > 20 {
			t.Errorf("%s: %d pages", link, n)
		}
	}
}

// withLogin keeps the service's login before another API.
func withLogin(s *service, api http.HandlerFunc) http.Handler {
	first := s.Config.Handler
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "oauth2") || strings.Contains(r.URL.Path, ".well-known") {
			first.ServeHTTP(w, r)
			return
		}
		api(w, r)
	})
}

func TestAListGathersAllPages(t *testing.T) {
	s := serve(t, nil)
	s.Config.Handler = withLogin(s, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("$skiptoken") == "" {
			reply(w, 200, `{"value":["a","b"],"@odata.nextLink":"`+s.URL+`/v1.0/things?$skiptoken=x%2F1"}`)
			return
		}
		reply(w, 200, `{"value":["c"]}`)
	})
	got, err := connectors.List[string](t.Context(), s.client(t, nil), connectors.Request{Path: connectors.To("things")})
	if err != nil || strings.Join(got, "") != "abc" {
		t.Fatalf("got %v, %v", got, err)
	}
	s.Config.Handler = withLogin(s, func(w http.ResponseWriter, _ *http.Request) { reply(w, 200, `{}`) })
	_, err = connectors.List[string](t.Context(), s.client(t, nil), connectors.Request{Path: connectors.To("things")})
	wantCode(t, err, connectors.Failed, "no list")
}

// While a page is used the next is on its way, and no further one; who stops ends
// that, too.
func TestTheNextPageIsAskedForWhileOneIsUsed(t *testing.T) {
	s := serve(t, nil)
	asked, ended := make(chan string, 10), make(chan struct{})
	s.Config.Handler = withLogin(s, func(w http.ResponseWriter, r *http.Request) {
		n := r.URL.Query().Get("n")
		asked <- n
		if n == "3" {
			<-r.Context().Done()
			close(ended)
			return
		}
		following := map[string]string{"": "2", "2": "3"}[n]
		reply(w, 200, `{"value":["`+n+`"],"@odata.nextLink":"`+s.URL+`/v1.0/things?n=`+following+`"}`)
	})
	pages := 0
	for page, err := range s.client(t, nil).Pages(t.Context(), connectors.Request{Path: connectors.To("things")}) {
		if err != nil {
			t.Fatal(err)
		}
		if pages++; pages == 1 {
			if first, second := <-asked, <-asked; first != "" || second != "2" || len(asked) > 0 {
				t.Errorf("asked for %q and %q, and %d more", first, second, len(asked))
			}
			continue
		}
		if third := <-asked; third != "3" || string(page.Items[0]) != `"2"` {
			t.Errorf("page %s, while %q is asked for", page.Items[0], third)
		}
		break
	}
	<-ended
}

func TestIDsThatWouldChangeThePathAreNotSent(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { reply(w, 200, `{"n":1}`) })
	c := s.client(t, nil)
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "a?b", "a%2fb", "root:", "a\x00", strings.Repeat("x", 2000)} {
		_, err := c.Read(t.Context(), connectors.Request{Op: "get", Path: connectors.To("things", id)}, nil)
		wantCode(t, err, connectors.Invalid)
		_, err = c.Send(t.Context(), soon(), connectors.Request{Op: "delete", Method: http.MethodDelete, Path: connectors.To("things", id)}, nil)
		if e := wantCode(t, err, connectors.Invalid); e.Unsure() {
			t.Error("unsure about a request that was not sent")
		}
	}
	for _, path := range []string{"a/../b", "a//b", "a/./b", "a/b*c"} {
		_, err := c.Read(t.Context(), connectors.Request{Op: "get", Path: connectors.To("d", "root").Colon(path)}, nil)
		wantCode(t, err, connectors.Invalid)
	}
	if n := s.calls.Load() + s.logins.Load(); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestEndlessHeadersAreCut(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		out := bufio.NewWriter(conn)
		_, _ = rw.WriteString("HTTP/1.1 200 OK\r\n")
		_ = rw.Flush()
		for i := 0; ; i++ {
			if _, err := fmt.Fprintf(out, "X-%d: %s\r\n", i, strings.Repeat("y", 100)); err != nil {
				return
			}
		}
	})
	wantCode(t, get(t.Context(), s.client(t, nil), nil), connectors.Limit)
}
