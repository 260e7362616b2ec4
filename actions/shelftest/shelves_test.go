package shelftest_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/devices"
	"stanch/actions/files"
	"stanch/actions/http"
	"stanch/actions/hunting"
	"stanch/actions/incidents"
	"stanch/actions/mail"
	"stanch/actions/notify"
	"stanch/actions/shelftest"
	"stanch/actions/users"
	"stanch/connectors"
	"stanch/connectors/practice"
)

func collect(t *testing.T) *actions.Catalog {
	t.Helper()
	catalog, err := actions.Collect(files.Shelf{}, http.Shelf{}, hunting.Shelf{}, incidents.Shelf{}, mail.Shelf{}, notify.Shelf{}, devices.Shelf{}, users.Shelf{})
	if err != nil {
		t.Fatal(err)
	}
	return catalog
}

func TestTheShelvesHoldTheseActions(t *testing.T) {
	want := []string{
		"devices.collect_package", "devices.get", "devices.isolate", "devices.release", "devices.restrict_apps", "devices.scan", "devices.tag", "devices.unrestrict_apps",
		"files.delete", "files.download", "files.find", "files.get", "files.list_permissions", "files.lock_record", "files.quarantine", "files.remove_retention_label",
		"files.remove_sensitivity_label", "files.restore", "files.set_retention_label", "files.set_sensitivity_label", "files.share",
		"files.unlock_record", "files.unshare",
		"http.delete", "http.get", "http.request",
		"hunting.alert_activity", "hunting.query", "hunting.query_logs", "hunting.start_dlp_feed", "hunting.stop_dlp_feed",
		"incidents.assign", "incidents.comment", "incidents.dlp_details", "incidents.get", "incidents.list", "incidents.reopen", "incidents.resolve", "incidents.tag", "incidents.untag", "incidents.update",
		"mail.delete", "mail.download", "mail.get", "mail.move", "mail.send",
		"notify.ask_owner", "notify.email", "notify.slack", "notify.teams", "notify.webhook",
		"users.confirm_compromised", "users.disable", "users.dismiss_risk", "users.enable", "users.get", "users.groups", "users.manager", "users.revoke_sessions",
	}
	if got := collect(t).Names(); !slices.Equal(got, want) {
		t.Errorf("actions:\n%q\nwant\n%q", got, want)
	}
}

func TestEveryActionIsDescribed(t *testing.T) {
	for a := range collect(t).All() {
		others := []string{"notify.slack", "notify.teams", "notify.webhook"}
		ours := !strings.HasPrefix(a.Name, "http.") && !slices.Contains(others, a.Name) // those of Microsoft's APIs
		source := "https://"
		if ours {
			source = "https://learn.microsoft.com/"
		}
		if !strings.HasSuffix(a.Doc, ".") || !strings.HasPrefix(a.Source, source) || a.Throttle == "" || ours == (len(a.Permissions) == 0) {
			t.Errorf("%s lacks doc, source, throttling class or permissions", a.Name)
		}
		for _, class := range []string{a.Throttle, a.Also, a.Elsewhere.Class} {
			if ours && class != "" && len(connectors.Allowances()[class]) == 0 {
				t.Errorf("%s is counted as %s, of which nothing is published", a.Name, class)
			}
		}
		described(t, a.Name+" params", a.Params, map[reflect.Type]bool{})
		described(t, a.Name+" result", a.Result, map[reflect.Type]bool{})
		exampleFits(t, a)
	}
}

// described fails the test for every field, however deep, without a name in
// snake case and a doc.
func described(t *testing.T, at string, typ reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	ref, isRef := reflect.New(typ).Elem().Interface().(interface{ Referent() reflect.Type })
	if isRef {
		typ = ref.Referent()
	}
	if typ.Kind() != reflect.Struct || typ == reflect.TypeFor[time.Time]() || seen[typ] {
		return
	}
	seen[typ] = true
	for f := range typ.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous && name == "" {
			described(t, at, f.Type, seen)
			continue
		}
		if name == "" || name != strings.ToLower(name) || f.Tag.Get("doc") == "" {
			t.Errorf("%s: field %s has no snake_case name or no doc", at, f.Name)
		}
		described(t, at+"."+name, f.Type, seen)
	}
}

// exampleFits holds the top keys of the example against the params.
func exampleFits(t *testing.T, a actions.Action) {
	t.Helper()
	given := map[string]bool{}
	for line := range strings.Lines(a.Example) {
		if key, _, is := strings.Cut(line, ":"); is && !strings.HasPrefix(line, " ") {
			given[key] = true
		}
	}
	for f := range a.Params.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if options == "" && !given[name] {
			t.Errorf("%s: the example lacks %s", a.Name, name)
		}
		delete(given, name)
	}
	if len(given) > 0 {
		t.Errorf("%s: the example has %v, which is no param", a.Name, given)
	}
}

func TestWhatCannotBeUndoneSaysWhy(t *testing.T) {
	want := []string{"devices.collect_package", "devices.scan", "files.download", "http.delete", "http.request", "incidents.comment", "mail.download", "mail.send", "notify.ask_owner", "notify.email", "notify.slack", "notify.teams", "notify.webhook", "users.dismiss_risk", "users.revoke_sessions"}
	var got []string
	for a := range collect(t).All() {
		if a.Class != actions.Reads && !a.Undoable() {
			got = append(got, a.Name)
			if len(a.NoUndo) < 20 {
				t.Errorf("%s: reason %q", a.Name, a.NoUndo)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("without inverse: %q, want %q", got, want)
	}
}

func TestAnEffectThatCannotBeReadIsAnErrorAndSendsNothing(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(files.Shelf{Graph: x.Full.Graph, Evidence: x.Full.Evidence}, mail.Shelf{Graph: x.Full.Graph, Evidence: x.Full.Evidence}, http.Shelf{Web: x.Full.Web}, hunting.Shelf{Graph: x.Full.Graph, Logs: x.Full.Logs, Activity: x.Full.Activity}, incidents.Shelf{Graph: x.Full.Graph, Sentinel: x.Full.Sentinel, Activity: x.Full.Activity}, notify.Shelf{Web: x.Full.Web, Graph: x.Full.Graph}, devices.Shelf{Defender: x.Full.Defender}, users.Shelf{Graph: x.Full.Graph})
	for a := range d.Catalog.All() {
		if a.Class == actions.Reads {
			continue
		}
		for _, body := range []string{"", "null", "[]", "{}", `"x"`, `{"incident":"sentinel/contoso-sentinel/00000000-0000-0000-0000-000000000001"}`, `{"drive":"..","item":"a/b","incident":"x","set":{"status":"active"},"machine":"../..","user":"?"}`} {
			e := actions.Effect{ID: "e1", Action: a.Name, Request: json.RawMessage(body), Before: json.RawMessage(body), After: json.RawMessage(body), Handle: json.RawMessage(body)}
			call := actions.Call{Run: "r1", Sending: actions.Sending{ID: "e1"}}
			if _, err := a.Do(t.Context(), call, e); err == nil || shelftest.Unsure(err) {
				t.Errorf("%s: do %q: %v; want an error that is sure", a.Name, body, err)
			}
			if found, err := a.Check(t.Context(), call, e); err == nil && found.Answer != actions.CannotTell {
				t.Errorf("%s: check %q: %+v; want an error or cannot tell", a.Name, body, found)
			}
			if inv, err := a.Undo(t.Context(), call, e); err == nil && inv.Effect != nil {
				t.Errorf("%s: undo %q: %+v; want no inverse", a.Name, body, inv)
			}
		}
	}
	if n := len(x.Changes()); n != 0 {
		t.Errorf("%d changes", n)
	}
}
