package shelftest_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"stanch/actions/devices"
	"stanch/actions/files"
	"stanch/actions/http"
	"stanch/actions/hunting"
	"stanch/actions/incidents"
	"stanch/actions/mail"
	"stanch/actions/notify"
	"stanch/actions/shelftest"
	"stanch/actions/users"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

// request is one as a page of the documentation shows it, in a file of
// testdata/documented: the page on a line that begins with #, then the request.
type request struct {
	page, method, path string
	query              url.Values
	body               any
}

// documented reads the request of a page.
func documented(t *testing.T, file string) request {
	t.Helper()
	raw, err := os.ReadFile("testdata/documented/" + file + ".http")
	if err != nil {
		t.Fatal(err)
	}
	page, rest, _ := strings.Cut(string(raw), "\n")
	line, rest, _ := strings.Cut(rest, "\n")
	method, address, _ := strings.Cut(line, " ")
	u, err := url.Parse(address)
	if err != nil || !strings.HasPrefix(page, "# ") || u.Host == "" {
		t.Fatalf("%s: expected the page and a request, got %q, %q: %v", file, page, line, err)
	}
	r := request{page: strings.TrimPrefix(page, "# "), method: method, path: u.Path, query: u.Query()}
	if _, body, has := strings.Cut(rest, "\n\n"); has {
		r.body = decoded(t, []byte(body))
	}
	return r
}

func decoded(t *testing.T, raw []byte) any {
	t.Helper()
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return v
}

// wire is a tenant whose calls are kept, each held against the description of its
// API, with a desk that has every shelf.
type wire struct {
	*shelftest.Tenant
	desk  *shelftest.Desk
	mu    sync.Mutex
	calls []practice.Exchange
}

func tap(t *testing.T, o practice.Options) *wire {
	t.Helper()
	w := new(wire)
	o.Observe = func(e practice.Exchange) {
		for _, check := range []func(practice.Exchange) error{practicetest.CheckRequest, practicetest.CheckResponse} {
			if e.Status < 300 && e.Route != "" {
				if err := check(e); err != nil {
					t.Error(err)
				}
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls = append(w.calls, e)
	}
	w.Tenant = shelftest.Start(t, o)
	c, own := w.Full, []string{practice.ContosoDomain}
	w.desk = w.Open(
		files.Shelf{Graph: c.Graph, SharePoint: c.SharePoint, OwnDomains: own, Evidence: c.Evidence}, http.Shelf{Web: c.Web},
		hunting.Shelf{Graph: c.Graph, Logs: c.Logs, Activity: c.Activity},
		incidents.Shelf{Graph: c.Graph, Sentinel: c.Sentinel, Activity: c.Activity},
		mail.Shelf{Graph: c.Graph, Evidence: c.Evidence, OwnDomains: own}, notify.Shelf{Web: c.Web}, devices.Shelf{Defender: c.Defender}, users.Shelf{Graph: c.Graph},
	)
	return w
}

// act does an action as far as it goes, and answers the calls that it made and its
// effects.
func (w *wire) act(name string, params any) ([]practice.Exchange, shelftest.Run) {
	w.mu.Lock()
	from := len(w.calls)
	w.mu.Unlock()
	var r shelftest.Run
	if a, _ := w.desk.Catalog.Lookup(name); a.Class == "reads" {
		_, r.Err = w.desk.Read(name, params)
	} else {
		r = w.desk.Do(name, params)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls[from:]), r
}

// sample is a documented request and the action that sends it.
type sample struct {
	file, action string
	params       func(*wire) any
	// put is what is sent in the place of what the page has: the tenant's ids, and what
	// a comment there says. Nothing else may differ. {effect} is the effect's id, {guid}
	// a part of the path that is any GUID, and "" is left out of a list.
	put func(*wire) map[string]string
	// more are texts besides by their path in the body: what the service itself says of
	// an id, which goes back to it.
	more func(*wire) map[string]string
	// part are the properties of the documented body that the action writes, where
	// it writes some alone.
	part []string
	// refused is the code of the error where this tenant has not what the page names.
	refused string
}

// The requests of Microsoft's pages are those that actions send, equal in method,
// path, query and body.
func TestDocumentedRequestsAreSentAsDocumented(t *testing.T) {
	pages := map[string]bool{}
	for _, s := range samples() {
		pages[s.file] = true
		t.Run(s.action+" as "+s.file, func(t *testing.T) {
			t.Parallel()
			s.check(t)
		})
	}
	stored, err := fs.Glob(os.DirFS("testdata/documented"), "*.http")
	if err != nil || len(stored) < 15 || len(stored) != len(pages) {
		t.Errorf("%d requests are stored and %d are tried: %v", len(stored), len(pages), err)
	}
}

func (s sample) check(t *testing.T) {
	w := tap(t, practice.Options{Company: company(t)})
	want, params := documented(t, s.file), s.params(w)
	put := map[string]string{}
	if s.put != nil {
		put = s.put(w)
	}
	calls, r := w.act(s.action, params)
	if shelftest.Code(r.Err) != s.refused {
		t.Fatal(r.Err)
	}
	if len(r.Effects) > 0 {
		for k, v := range put {
			put[k] = strings.ReplaceAll(v, "{effect}", r.Effects[0].ID)
		}
	}
	want = want.in(put)
	if whole, is := want.body.(map[string]any); is && s.part != nil {
		maps.DeleteFunc(whole, func(name string, _ any) bool { return !slices.Contains(s.part, name) })
	}
	if s.more != nil {
		for path, text := range s.more(w) {
			add(want.body, strings.Split(path, "."), text)
		}
	}
	var sent []string
	for _, c := range slices.Backward(calls) {
		sent = append(sent, c.Request.Method+" "+c.Request.URL.Path)
		if c.Request.Method != want.method || !want.at(c.Request.URL.Path) {
			continue
		}
		if diff := cmp.Diff(want.query.Encode(), c.Request.URL.Query().Encode()); diff != "" {
			t.Errorf("query, -%s +sent:\n%s", want.page, diff)
		}
		if diff := cmp.Diff(want.body, decoded(t, c.RequestBody)); diff != "" {
			t.Errorf("body, -%s +sent:\n%s", want.page, diff)
		}
		return
	}
	t.Errorf("%s: %s %s was not sent; sent were\n%s", want.page, want.method, want.path, strings.Join(sent, "\n"))
}

// in is the request with texts in the place of others.
func (r request) in(put map[string]string) request {
	path := strings.Split(r.path, "/")
	for i, part := range path {
		if to, is := put[part]; is {
			path[i] = to
		}
	}
	r.path, r.body = strings.Join(path, "/"), replaced(r.body, put)
	return r
}

// at reports whether a path is the request's.
func (r request) at(path string) bool {
	before, after, free := strings.Cut(r.path, "{guid}")
	if !free {
		return path == r.path
	}
	guid := strings.TrimSuffix(strings.TrimPrefix(path, before), after)
	return path == before+guid+after && uuid.Validate(guid) == nil
}

// add gives an object a text at a path of it.
func add(v any, path []string, text string) {
	object := v.(map[string]any)
	if len(path) == 1 {
		object[path[0]] = text
		return
	}
	add(object[path[0]], path[1:], text)
}

// replaced is a JSON value with texts in the place of others.
func replaced(v any, put map[string]string) any {
	switch v := v.(type) {
	case string:
		if to, is := put[v]; is {
			return to
		}
	case map[string]any:
		for k, in := range v {
			v[k] = replaced(in, put)
		}
	case []any:
		out := []any{}
		for _, in := range v {
			if in = replaced(in, put); in != "" {
				out = append(out, in)
			}
		}
		return out
	}
	return v
}
