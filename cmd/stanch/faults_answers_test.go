package main

import (
	"strings"
	"testing"
	"time"

	"stanch/actions"
)

const signInPage = "<!DOCTYPE html><html><head><title>Sign in</title></head><body onload=steal()>Please sign in</body></html>"

// answers are the wrong answers that an API, or what stands between, may give to
// the action's own request in place of doing it.
func answers() map[string]weather {
	const html = "text/html; charset=utf-8"
	return map[string]weather{
		"401 in the middle": {faults: on(weatherFault{Status: 401, Times: 1}), judge: tokenRenewed},
		"404":               {faults: on(weatherFault{Status: 404}), judge: honest},
		"404 once":          {faults: on(weatherFault{Status: 404, Times: 1}), judge: honest},
		"409":               {faults: on(weatherFault{Status: 409}), judge: honest},
		"412":               {faults: on(weatherFault{Status: 412}), judge: honest},
		"423 twice":         {faults: on(weatherFault{Status: 423, Times: 2}), judge: allDone},
		"507":               {faults: on(weatherFault{Status: 507}), judge: honest},
		"absurd Retry-After": {
			faults: on(weatherFault{Status: 429, Times: 1, Headers: map[string]string{"Retry-After": "999999999"}}), judge: waitedNotForEver,
		},
		"garbled Retry-After": {
			faults: on(weatherFault{Status: 503, Times: 1, Headers: map[string]string{"Retry-After": "-1, soon"}}), judge: allDone,
		},
		"a page with 200": {
			faults: on(weatherFault{Status: 200, Times: 1, Body: signInPage, Headers: map[string]string{"Content-Type": html}}), judge: honest,
		},
		"a page with 503": {
			faults: on(weatherFault{Status: 503, Times: 1, Body: signInPage, Headers: map[string]string{"Content-Type": html}}), judge: allDone,
		},
		"truncated":        {faults: on(weatherFault{Status: 200, Times: 1, Body: `{"id":"1","value":[{"id":"2"`}), judge: honest},
		"of another shape": {faults: on(weatherFault{Status: 200, Times: 1, Body: `{"id":{"a":1},"value":7,"status":[],"name":3}`}), judge: honest},
		"nothing":          {faults: on(weatherFault{Status: 200, Times: 1, Body: `null`}), judge: honest},
		"an error with 200": {
			faults: on(weatherFault{Status: 200, Times: 1, Body: `{"error":{"code":"generalException","message":"It did not work."}}`}), judge: honest,
		},
		"a bomb of gzip": {faults: on(weatherFault{Status: 200, Times: 1, Zeros: 10 << 30}), judge: honest},
		"next page elsewhere": {
			faults: on(weatherFault{Status: 200, Times: 1, Body: `{"value":[],"@odata.nextLink":"https://graph.microsoft.com.evil.example/v1.0/x"}`}),
			judge:  honest,
		},
	}
}

// believed are the actions whose receivers are the operator's: what answers with
// a success has said so, and content is what it is.
func believed(a actions.Action) bool {
	return strings.HasPrefix(a.Name, "http.") || posts(a)
}

// honest: whatever came of it, the run says what the tenant says, and no secret
// or markup of the answer gets through.
func honest(t *testing.T, v outcomeOf) {
	t.Helper()
	if !believed(v.action) {
		v.lab.audited(v.run, v.use.skip, v.mayRepeat())
	}
	all := statuses(v.run)
	switch {
	case v.run.Status == "succeeded" && strings.Trim(strings.ReplaceAll(all, string(actions.AlreadySo), ""), "done ") != "":
		t.Errorf("the run succeeded; effects: %s", all)
	case v.run.Status == "failed" && (v.run.Error == nil || v.run.Error.Message == ""):
		t.Error("the run failed and does not say why")
	}
	for _, e := range effects(v.run) {
		if n := len(v.sent[e.ID]); n > 1 && !v.mayRepeat() && !refusedOnly(v.sent[e.ID]) {
			t.Errorf("%s on %s was sent %d times, and declares repeat: %s", e.Action, e.Target.Name, n, v.action.Repeat)
		}
	}
}

// refusedOnly reports whether all of the requests but the last were answered by
// a fault, so that none of them did anything.
func refusedOnly(all []sending) bool {
	for _, s := range all[:len(all)-1] {
		if !s.faulty {
			return false
		}
	}
	return true
}

// tokenRenewed: a token that is not taken once costs nothing; a key of the
// operator's services is wrong until somebody changes it.
func tokenRenewed(t *testing.T, v outcomeOf) {
	t.Helper()
	if !believed(v.action) {
		allDone(t, v)
		return
	}
	honest(t, v)
	if v.run.Error == nil || v.run.Error.Code != "unauthorized" {
		t.Errorf("the run is %s: %v", v.run.Status, v.run.Error)
	}
}

// waitedNotForEver: what an API asks for in error holds nobody up for days.
func waitedNotForEver(t *testing.T, v outcomeOf) {
	t.Helper()
	allDone(t, v)
	if waited := time.Duration(v.lab.store.ahead.Load()); waited > time.Hour {
		t.Errorf("the run waited %s", waited)
	}
}
