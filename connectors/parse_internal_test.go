package connectors

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestBad083RetryAfter(t *testing.T) {
	date := func(d time.Duration) string { return noon.Add(d).Format(http.TimeFormat) }
	cases := []struct {
		name  string
		h     http.Header
		want  time.Duration
		found bool
	}{
		{"none", http.Header{}, 0, false},
		{"seconds", http.Header{"Retry-After": {"17"}}, 17 * time.Second, true},
		{"fraction", http.Header{"Retry-After": {"2.128"}}, 2128 * time.Millisecond, true},
		{"spaces", http.Header{"Retry-After": {" 3 "}}, 3 * time.Second, true},
		{"zero", http.Header{"Retry-After": {"0"}}, 0, true},
		{"negative", http.Header{"Retry-After": {"-5"}}, 0, false},
		{"huge", http.Header{"Retry-After": {"999999999"}}, MaxWait, true},
		{"beyond float", http.Header{"Retry-After": {"1e999"}}, 0, false},
		{"overflow", http.Header{"Retry-After": {"1e300"}}, MaxWait, true},
		{"not a number", http.Header{"Retry-After": {"NaN"}}, 0, false},
		{"garbage", http.Header{"Retry-After": {"soon"}}, 0, false},
		{"date", http.Header{"Retry-After": {date(time.Minute)}}, time.Minute, true},
		{"date against the answer's date", http.Header{"Retry-After": {date(time.Minute)}, "Date": {date(50 * time.Second)}}, 10 * time.Second, true},
		{"past date", http.Header{"Retry-After": {date(-time.Hour)}}, 0, false},
		{"far date", http.Header{"Retry-After": {date(1000 * time.Hour)}}, MaxWait, true},
		{"two headers", http.Header{"Retry-After": {"3", "9"}}, 9 * time.Second, true},
		{"garbage beside", http.Header{"Retry-After": {"x", "4"}}, 4 * time.Second, true},
		{"ms", http.Header{"Retry-After-Ms": {"1500"}}, 1500 * time.Millisecond, true},
		{"x-ms", http.Header{"X-Ms-Retry-After-Ms": {"700"}}, 700 * time.Millisecond, true},
		{"larger of two", http.Header{"Retry-After": {"5"}, "Ratelimit-Reset": {"31"}}, 31 * time.Second, true},
	}
	for _, c := range cases {
		if got, found := retryAfter(c.h, noon); got != c.want || found != c.found {
			t.Errorf("%s: %s, %v; want %s, %v", c.name, got, found, c.want, c.found)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"1", "-1", "2.5", "1e9", "Mon, 23 Nov 2026 12:00:05 GMT", "0x1p-2", "Inf", ""} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		h := http.Header{"Retry-After": {a}, "Ratelimit-Reset": {b}, "Date": {b}}
		if d, found := retryAfter(h, noon); d < 0 || d > MaxWait || !found && d != 0 {
			t.Errorf("%s, %v", d, found)
		}
	})
}

func TestErrorBodiesOfTheServices(t *testing.T) {
	cases := map[string]fault{
		`{"error":{"code":"itemNotFound","message":"Gone.","innerError":{"date":"d","request-id":"r1","client-request-id":"c"}}}`: {"itemNotFound", "", "Gone.", "r1"},
		`{"error":{"code":"a","message":"m","innererror":{"code":"b","innererror":{"code":"c"}}}}`:                                {"a", "c", "m", ""},
		`{"error":{"code":"ResourceNotFound","message":"Machine 1 was not found","target":"43f4"}}`:                               {"ResourceNotFound", "", "Machine 1 was not found", ""},
		`{"code":"x","message":"y"}`: {"x", "", "y", ""},
		`{"error":"just text"}`:      {"", "", "just text", ""},
		`{"odata.error":{"code":"-2147024894, System.IO.FileNotFoundException","message":{"lang":"en-US","value":"No such item."}}}`: {"-2147024894, System.IO.FileNotFoundException", "", "No such item.", ""},
		`{"error_description":"Unsupported app only token."}`:                                                                        {"", "", "Unsupported app only token.", ""},
		`{"error":null}`: {},
		`{"error":[1]}`:  {},
		`<html>`:         {},
		``:               {},
	}
	for body, want := range cases {
		if got := parseFault([]byte(body)); got != want {
			t.Errorf("%s: %+v; want %+v", body, got, want)
		}
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"a","message":"m\n\u0000","innererror":{"code":"b","innererror":{"code":"c"}}}}`))
	f.Add([]byte(`{"error":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x"}`))
	f.Add([]byte("\xff\xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got := parseFault(b)
		for _, s := range []string{got.code, got.inner, got.message, got.requestID, excerpt(b)} {
			if strings.ContainsAny(s, "\n\r\x00\x1b\x7f") || !utf8.ValidString(s) || len(s) > 3*maxMessage {
				t.Errorf("%q is not fit for a line", s)
			}
		}
	})
}

func FuzzStrictJSON(f *testing.F) {
	for _, s := range []string{`{"a":1,"a":2}`, `{"a":{"b":[{"c":"\""}]},"b":"{\"a\":1}"}`, `[1,"x",{"y":null}]`, `{"error":null}`, `{"error" : {}}`, `"x"`, `{"a":[],"b":{}}`, `{"\u0061":1,"a":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fault, err := strictJSON(b)
		if !json.Valid(b) {
			if err == nil {
				t.Error("no JSON, yet taken")
			}
			return
		}
		if doubled := doubledKey(b); doubled != (err != nil) {
			t.Errorf("doubled %v, error %v", doubled, err)
		}
		var top map[string]json.RawMessage
		if err == nil && json.Unmarshal(b, &top) == nil {
			if want := top["error"] != nil && string(top["error"]) != "null"; want != fault {
				t.Errorf("fault %v; want %v", fault, want)
			}
		}
	})
}

// doubledKey says the same as strictJSON by way of the standard decoder.
func doubledKey(b []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(b)))
	var value func() bool
	value = func() bool {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		doubled, seen := false, map[string]bool{}
		switch tok {
		case json.Delim('{'):
			for d.More() {
				key, _ := d.Token()
				name, _ := key.(string)
				doubled = doubled || seen[name]
				seen[name] = true
				doubled = value() || doubled
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				doubled = value() || doubled
			}
			_, _ = d.Token()
		}
		return doubled
	}
	return value()
}

// Whatever ids are given, a path has just these segments or there is none.
func TestPathsKeepTheirSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.String(), 1, 4).Draw(t, "ids")
		p := To(ids...)
		if p.err != nil {
			return
		}
		u, err := url.Parse("https://host" + p.text)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
		if len(parts) != len(ids) || u.RawQuery != "" || u.Fragment != "" || u.Host != "host" {
			t.Fatalf("%q became %s", ids, u)
		}
		for i := range parts {
			if got, _ := url.PathUnescape(parts[i]); got != ids[i] {
				t.Fatalf("%q became %q", ids[i], got)
			}
		}
	})
}

// Whatever text is given, a call has one argument in one segment, or there is
// none.
func TestCallsKeepTheirArguments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		p := To("drives", "d").Call("search", Param{"q", text}).Call("restore")
		if p.err != nil {
			if !strings.ContainsAny(text, `/\`) && !strings.ContainsFunc(text, unprintable) && len(text) <= maxSegment {
				t.Fatalf("%q is refused: %v", text, p.err)
			}
			return
		}
		u, err := url.Parse("https://host" + p.text)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || u.Host != "host" {
			t.Fatalf("%q became %s, %v", text, p.text, err)
		}
		parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
		if len(parts) != 4 || parts[3] != "restore()" {
			t.Fatalf("%q became %q", text, parts)
		}
		inner, is := strings.CutPrefix(parts[2], "search(q='")
		inner, ends := strings.CutSuffix(inner, "')")
		got, err := url.PathUnescape(inner)
		if !is || !ends || err != nil || strings.Contains(inner, "'") || strings.ReplaceAll(got, "''", "'") != text {
			t.Fatalf("%q became %q", text, parts[2])
		}
	})
	if p := To("..").Call("restore"); p.err == nil {
		t.Error("a spoilt path became sound")
	}
	if p := To("web").Call("RecycleBin", Param{Value: "a'b"}); p.text != "/web/RecycleBin('a%27%27b')" {
		t.Error(p.text)
	}
}

func TestQuotesInLiteralsAreDoubled(t *testing.T) {
	if got := Quote("o'neil' or 1 eq 1"); got != "'o''neil'' or 1 eq 1'" {
		t.Error(got)
	}
}

func TestLinesHoldNoTokens(t *testing.T) {
	for _, text := range []string{
		"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_9", "https://x/?tempAuth=abc123&y", "client_secret=abc123", "sig=abc123%3D&se=1", "access_token=abc123", `{"access_token":"abc123"}`, `'client_secret' : 'abc123'`,
	} {
		if got := line(text, 200); strings.Contains(got, "abc") || !strings.Contains(got, shown) {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// Every text that holds what looks like a token loses it, in whatever case it is
// written and whatever stands around it.
func TestNoTokenPassesALine(t *testing.T) {
	tokens := rapid.StringMatching(strings.ReplaceAll(tokenLike.String(), `\b`, ""))
	around := rapid.StringMatching(`[ -~]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		token := tokens.Draw(t, "token")
		text := around.Draw(t, "before") + " " + token + " " + around.Draw(t, "after")
		want := tokenLike.ReplaceAllString(text, "${2}"+shown)
		if got := line(text, 1<<16); got != line(want, 1<<16) || tokenLike.MatchString(token) && !strings.Contains(got, shown) {
			t.Fatalf("%q became %q", text, got)
		}
	})
}

func TestSharePointIsTheCloudsOwn(t *testing.T) {
	global, _ := CloudNamed("global")
	practice := PracticeCloud("https://127.0.0.1:8910", nil)
	for _, c := range []struct {
		cloud Cloud
		url   string
		want  bool
	}{
		{global, "https://contoso.sharepoint.com/_api/x?tempAuth=1", true},
		{global, "https://contoso-my.SharePoint.com/x", true},
		{global, "http://contoso.sharepoint.com/x", false},
		{global, "https://contoso.sharepoint.com:8443/x", false},
		{global, "https://sharepoint.com/x", false},
		{global, "https://.sharepoint.com/x", false},
		{global, "https://evilsharepoint.com/x", false},
		{global, "https://contoso.sharepoint.com.evil.example/x", false},
		{global, "https://u:p@contoso.sharepoint.com/x", false},
		{global, "https://169.254.169.254/?.sharepoint.com", false},
		{global, "https://127.0.0.1:8910/x", false},
		{practice, "https://127.0.0.1:8910/_api/x", true},
		{practice, "https://127.0.0.1:8911/_api/x", false},
		{practice, "https://contoso.sharepoint.com/x", false},
		{Cloud{}, "https://contoso.sharepoint.com/x", false},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.cloud.OwnsSharePoint(u); got != c.want {
			t.Errorf("%s in %s: %v", c.url, c.cloud.Name, got)
		}
	}
}

func TestEveryStatusHasACode(t *testing.T) {
	known := map[Code]bool{
		Throttled: true, Unavailable: true, Timeout: true, Unauthorized: true, Forbidden: true, NotFound: true,
		Conflict: true, Locked: true, Invalid: true, Refused: true, Limit: true, Unknown: true, Failed: true,
	}
	for status := 300; status < 600; status++ {
		if !known[codeOf(status)] {
			t.Errorf("%d: %q", status, codeOf(status))
		}
	}
	if got := fmt.Sprintln(codeOf(429), codeOf(404), codeOf(403), codeOf(409), codeOf(423), codeOf(503)); got != "throttled not_found forbidden conflict locked unavailable\n" {
		t.Error(got)
	}
}

// Azure names its port in links; that is the same place.
func TestThePortOfHTTPSIsTheSamePlace(t *testing.T) {
	base, err := url.Parse("https://management.azure.com")
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{base: base, options: (*Options)(nil).filled()}
	for link, same := range map[string]bool{
		"https://management.azure.com:443/subscriptions/x?$skipToken=1": true, "https://Management.azure.com/x": true,
		"https://management.azure.com:444/x": false, "https://management.azure.com:443.evil.example/x": false, "http://management.azure.com:443/x": false,
	} {
		if err := c.follow(link, map[string]bool{}, 1); (err == nil) != same {
			t.Errorf("%s: %v", link, err)
		}
	}
}
