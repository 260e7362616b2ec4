package defender_test

import (
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/defender"
	"stanch/connectors/practice"
)

// What is sent is what the pages of the API show: method, path, body.
func TestRequestsAreThoseOfThePages(t *testing.T) {
	var sent []practice.Exchange
	_, c := start(t, practice.FullApp(), practice.Options{MachineActionTime: time.Nanosecond, Observe: func(x practice.Exchange) {
		if x.Request.Method == http.MethodPost && strings.HasPrefix(x.Request.URL.Path, "/api/") {
			sent = append(sent, x)
		}
	}})
	d := device(t, c)
	ctx := t.Context()
	for n, x := range []struct {
		path, sample string
		send         func(connectors.Change) error
	}{
		{"isolate", "isolate", func(ch connectors.Change) error {
			_, err := c.Isolate(ctx, ch, d.ID, "Isolate machine due to alert 1234", defender.Full)
			return err
		}},
		{"unisolate", "unisolate", func(ch connectors.Change) error {
			_, err := c.Unisolate(ctx, ch, d.ID, "Unisolate machine since it was clean and validated")
			return err
		}},
		{"restrictCodeExecution", "restrictCodeExecution", func(ch connectors.Change) error {
			_, err := c.RestrictApps(ctx, ch, d.ID, "Restrict code execution due to alert 1234")
			return err
		}},
		{"runAntiVirusScan", "runAntiVirusScan", func(ch connectors.Change) error {
			_, err := c.ScanMachine(ctx, ch, d.ID, "Check machine for viruses due to alert 3212", defender.FullScan)
			return err
		}},
		{"collectInvestigationPackage", "collectInvestigationPackage", func(ch connectors.Change) error {
			_, err := c.CollectPackage(ctx, ch, d.ID, "Collect forensics due to alert 1234")
			return err
		}},
		{"tags", "tags", func(ch connectors.Change) error {
			m, err := c.Tag(ctx, ch, d.ID, "test Tag 2", false)
			if err == nil && !strings.Contains(strings.Join(m.Tags, ","), "test Tag 2") {
				t.Errorf("tags %q", m.Tags)
			}
			return err
		}},
	} {
		sent = nil
		if err := x.send(effect(n)); err != nil {
			t.Errorf("%s: %v", x.path, err)
			continue
		}
		raw, err := os.ReadFile("testdata/" + x.sample + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var want, got any
		if json.Unmarshal(raw, &want) != nil || len(sent) != 1 || json.Unmarshal(sent[0].RequestBody, &got) != nil {
			t.Fatalf("%s: %d requests, or no JSON", x.path, len(sent))
		}
		r := sent[0].Request
		if !reflect.DeepEqual(got, want) || r.URL.Path != "/api/machines/"+d.ID+"/"+x.path || r.URL.RawQuery != "" || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%s %s %s; want %s", r.Method, r.URL, sent[0].RequestBody, raw)
		}
	}
}

func TestTheAnswersOfThePagesAreRead(t *testing.T) {
	read := func(name string, out any) {
		t.Helper()
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, out); err != nil {
			t.Fatal(err)
		}
	}
	var a defender.MachineAction
	read("machineaction.json", &a)
	if a.Type != "Isolate" || a.Scope != "Selective" || !a.Succeeded() || a.Requestor != "Analyst@TestPrd.onmicrosoft.com" || a.CreatedAt.Year() != 2019 {
		t.Errorf("%+v", a)
	}
	var list struct{ Value []defender.MachineAction }
	read("machineactions.json", &list)
	if len(list.Value) != 3 || list.Value[1].Scope != "Full" || list.Value[0].Scope != "" || !list.Value[0].Ended() {
		t.Errorf("%+v", list)
	}
}

func TestScansAndTagsThatAreNoneAreRefusedHere(t *testing.T) {
	s, c := start(t, practice.FullApp(), practice.Options{})
	d := device(t, c)
	_, err := c.ScanMachine(t.Context(), effect(1), d.ID, "x", "Deep")
	wantCode(t, err, connectors.Invalid, "expected Quick or Full")
	_, err = c.Tag(t.Context(), effect(2), d.ID, " ", false)
	wantCode(t, err, connectors.Invalid, "the tag is empty")
	_, err = c.RestrictApps(t.Context(), effect(3), "../x", "x")
	wantCode(t, err, connectors.Invalid)
	if len(s.Tenant.Changes()) != 0 {
		t.Error("something changed")
	}
}

// Defender says in several ways that the same is under way.
func TestUnderWayInEveryWording(t *testing.T) {
	s, c := start(t, practice.FullApp(), practice.Options{})
	d := device(t, c)
	for _, x := range []struct {
		status, code, message, hint string
		running                     bool
		want                        connectors.Code
	}{
		{"400", "ActiveRequestAlreadyExists", "Request failed", "must end first", true, connectors.Conflict},
		{"400", "ActiveRequestAlreadyInProgress", "", "must end first", true, connectors.Conflict},
		{"400", "BadRequest", "Action is already in progress", "must end first", true, connectors.Conflict},
		{"409", "Conflict", "Action is Already In Progress.", "must end first", true, connectors.Conflict},
		{"400", "OsPlatformNotSupported", "no", "operating system", false, connectors.Invalid},
		{"400", "ClientVersionNotSupported", "no", "too old", false, connectors.Invalid},
		{"400", "InvalidInput", "no", "", false, connectors.Invalid},
	} {
		res, err := http.Post(s.PlainURL+"/practice/faults", "application/json", strings.NewReader(
			`[{"method":"POST","path":"/api/machines/*/collectInvestigationPackage","status":`+x.status+`,"body":{"error":{"code":"`+x.code+`","message":"`+x.message+`"}}}]`))
		if err != nil || res.StatusCode >= 300 {
			t.Fatal(res, err)
		}
		_ = res.Body.Close()
		_, err = c.CollectPackage(t.Context(), effect(1), d.ID, "x")
		if e := wantCode(t, err, x.want, x.hint); e.InProgress() != x.running || e.Unsure() {
			t.Errorf("%s: in progress %v, unsure %v", x.code, e.InProgress(), e.Unsure())
		}
	}
}

func TestEachMachineActionNamesItsPermission(t *testing.T) {
	_, c := start(t, practice.ReaderApp(), practice.Options{})
	d := device(t, c)
	ctx := t.Context()
	for permission, send := range map[string]func() error{
		"Machine.RestrictExecution": func() error { _, err := c.UnrestrictApps(ctx, effect(1), d.ID, "x"); return err },
		"Machine.Scan":              func() error { _, err := c.ScanMachine(ctx, effect(2), d.ID, "x", defender.QuickScan); return err },
		"Machine.CollectForensics":  func() error { _, err := c.CollectPackage(ctx, effect(3), d.ID, "x"); return err },
		"Machine.ReadWrite.All":     func() error { _, err := c.Tag(ctx, effect(4), d.ID, "x", true); return err },
	} {
		wantCode(t, send(), connectors.Forbidden, "needs the application permission "+permission)
	}
}
