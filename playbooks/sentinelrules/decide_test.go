package sentinelrules_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/connectors/incident"
	"stanch/playbooks"
	"stanch/playbooks/sentinelrules"
)

var today = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// imported is a rule as the language reads it.
func imported(t *testing.T, doc any) (*playbooks.Rule, sentinelrules.Rule) {
	t.Helper()
	raw, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := sentinelrules.Read(raw)
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	out := sentinelrules.Translate(sources, sentinelrules.Options{Now: today, Runs: map[string]string{"tell": "tell-them"}})[0]
	if out.Text == nil {
		return nil, out
	}
	r, found := playbooks.LoadRule("r.yaml", out.Text)
	if r != nil {
		found = append(found, playbooks.CheckRules([]*playbooks.Rule{r}, playbooks.World{}, today)...)
	}
	if playbooks.HasErrors(found) || len(found) > 0 && !slices.ContainsFunc(out.Notes, func(n sentinelrules.Note) bool { return n.Effect == sentinelrules.Warned }) {
		t.Fatalf("%s\n%s\n%s", found[0].Text(), out.Text, raw)
	}
	return r, out
}

// happened is an event as Sentinel sees it, and as the feed makes it of that.
type happened struct {
	before, after object // before is nil of an incident that is new
	event         playbooks.Event
}

func mapped(t *testing.T, o object) incident.Incident {
	t.Helper()
	list := func(name string) (all []json.RawMessage) {
		for _, x := range o[name].([]object) {
			all = append(all, must(json.Marshal(x)))
		}
		return all
	}
	in, err := incident.FromSentinel(incident.SentinelBody{
		Workspace: "w", Incident: must(json.Marshal(o["incident"])), Alerts: list("alerts"), Entities: list("entities"), Comments: list("comments"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func must(raw []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return raw
}

// offered makes the event of a change; false if nothing has changed.
func offered(t *testing.T, before, after object) (happened, bool) {
	t.Helper()
	now := mapped(t, after)
	ev := playbooks.Event{ID: "e", Trigger: "incident", Kind: "created", At: today, Incident: must(json.Marshal(now))}
	if before != nil {
		changes := incident.Diff(mapped(t, before), now, nil)
		if len(changes) == 0 {
			return happened{}, false
		}
		ev.Kind, ev.NewAlerts = "updated", incident.NewAlerts(changes)
		for _, c := range changes {
			ev.Changes = append(ev.Changes, c.Field)
		}
	}
	return happened{before, after, ev}, true
}

func decides(t *testing.T, r *playbooks.Rule, h happened) playbooks.Verdict {
	t.Helper()
	names, err := playbooks.NewOffer(h.event).RuleNames()
	if err != nil {
		t.Fatal(err)
	}
	v, err := r.Matches(h.event, names, nil, today)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Text)
	}
	return v
}

// TestImportedRulesDecideAsSentinel holds rules that were carried over against
// Sentinel's own semantics, over incidents in which the model has all that the
// rules ask.
func TestImportedRulesDecideAsSentinel(t *testing.T) {
	matched, all, asked := 0, 0, map[string]bool{}
	for seed := range uint64(500) {
		d := dice{rand.New(rand.NewPCG(seed, 7)), false}
		doc := d.rule(d.carried())
		r, out := imported(t, doc)
		if r == nil || hasOff(out) {
			t.Fatalf("seed %d: it is not carried over whole: %+v\n%s", seed, out.Notes, must(json.Marshal(doc)))
		}
		for range 12 {
			h, is := d.event(t)
			if !is {
				continue
			}
			want := oracle(doc, h)
			got := decides(t, r, h)
			if got.Matched != want {
				t.Fatalf("seed %d: the rule says %t, Sentinel %t\n%s\n%s\nchanges %v\n%s\n%s", seed, got.Matched, want, out.Text,
					must(json.Marshal(doc)), h.event.Changes, must(json.Marshal(h.before)), must(json.Marshal(h.after)))
			}
			all++
			if want {
				matched++
				asked[h.event.Kind] = true
			}
		}
	}
	if all < 4000 || matched < all/20 || matched > all*19/20 || len(asked) != 2 {
		t.Errorf("%d decisions, %d of them yes, of kinds %v: this tries too little", all, matched, asked)
	}
}

// Whatever incidents look like, a rule never holds for one for which Sentinel's
// does not.
func TestImportedRulesAreNeverWider(t *testing.T) {
	matched := 0
	for seed := range uint64(400) {
		d := dice{rand.New(rand.NewPCG(seed, 8)), true}
		doc := d.rule(d.any())
		r, out := imported(t, doc)
		if r == nil {
			continue
		}
		for range 8 {
			h, is := d.event(t)
			if !is {
				continue
			}
			if got := decides(t, r, h); got.Matched {
				matched++
				if !oracle(doc, h) {
					t.Fatalf("seed %d: the rule holds and Sentinel's does not\n%s\n%s\n%s", seed, out.Text, must(json.Marshal(doc)), must(json.Marshal(h.after)))
				}
			}
		}
	}
	if matched < 50 {
		t.Errorf("only %d matched: this tries too little", matched)
	}
}

func hasOff(r sentinelrules.Rule) bool {
	return slices.ContainsFunc(r.Notes, func(n sentinelrules.Note) bool { return n.Effect == sentinelrules.Off })
}

// oracle decides as Microsoft documents it, from the documents alone.
func oracle(doc object, h happened) bool {
	logic := doc["properties"].(object)["triggeringLogic"].(object)
	if logic["isEnabled"] != true {
		return false
	}
	if until, is := logic["expirationTimeUtc"].(string); is {
		at, err := time.Parse(time.RFC3339, until)
		if err != nil || !today.Before(at) {
			return false
		}
	}
	if (logic["triggersWhen"] == "Created") != (h.before == nil) {
		return false
	}
	if h.before != nil && !triggers(h) {
		return false
	}
	for _, c := range logic["conditions"].([]object) {
		if !satisfied(c, h) {
			return false
		}
	}
	return true
}

// triggers reports whether an update is one of those that the page lists.
func triggers(h happened) bool {
	for _, f := range []string{"status", "severity", "owner"} {
		if fmt.Sprint(prop(h.before, f)) != fmt.Sprint(prop(h.after, f)) {
			return true
		}
	}
	for _, list := range []string{"alerts", "comments"} {
		if len(h.after[list].([]object)) > len(h.before[list].([]object)) {
			return true
		}
	}
	return added(h, "IncidentLabel") || added(h, "IncidentTactics")
}

func added(h happened, property string) bool {
	old := valuesOf(property, h.before)
	return slices.ContainsFunc(valuesOf(property, h.after), func(v string) bool { return !slices.Contains(old, v) })
}

func satisfied(c object, h happened) bool {
	p := c["conditionProperties"].(object)
	switch c["conditionType"] {
	case "Property":
		return compares(p, valuesOf(p["propertyName"].(string), h.after))
	case "PropertyArray":
		return slices.ContainsFunc(valuesOf("IncidentLabel", h.after), func(tag string) bool {
			return !slices.ContainsFunc(p["itemConditions"].([]object), func(i object) bool {
				return !compares(i["conditionProperties"].(object), []string{tag})
			})
		})
	case "PropertyChanged":
		field := map[string]string{"IncidentSeverity": "severity", "IncidentStatus": "status", "IncidentOwner": "owner"}[p["propertyName"].(string)]
		if h.before == nil || fmt.Sprint(prop(h.before, field)) == fmt.Sprint(prop(h.after, field)) {
			return false
		}
		switch p["changeType"] {
		case "ChangedTo":
			return compares(p, []string{prop(h.after, field).(string)})
		case "ChangedFrom":
			return compares(p, []string{prop(h.before, field).(string)})
		}
		return true
	case "PropertyArrayChanged":
		switch {
		case h.before == nil:
			return false
		case p["arrayType"] == "Labels":
			return added(h, "IncidentLabel")
		case p["arrayType"] == "Tactics":
			return added(h, "IncidentTactics")
		}
		list := strings.ToLower(p["arrayType"].(string))
		return len(h.after[list].([]object)) > len(h.before[list].([]object))
	case "Boolean":
		inner := p["innerConditions"].([]object)
		if p["operator"] == "Or" {
			return slices.ContainsFunc(inner, func(i object) bool { return satisfied(i, h) })
		}
		return !slices.ContainsFunc(inner, func(i object) bool { return !satisfied(i, h) })
	}
	panic("a condition that the test does not know")
}

// compares: a positive operator asks for at least one value that the property
// matches, a negative one that it matches none.
func compares(p object, have []string) bool {
	op := p["operator"].(string)
	positive, negative := strings.CutPrefix(op, "Not")
	some := false
	for _, h := range have {
		for _, v := range p["propertyValues"].([]string) {
			h, v := strings.ToLower(h), strings.ToLower(v)
			switch positive {
			case "Equals":
				some = some || h == v
			case "Contains":
				some = some || strings.Contains(h, v)
			case "StartsWith":
				some = some || strings.HasPrefix(h, v)
			case "EndsWith":
				some = some || strings.HasSuffix(h, v)
			}
		}
	}
	return some != negative
}

func prop(o object, name string) any { return o["incident"].(object)["properties"].(object)[name] }

// identifiers are the kind and the property of an entity that a property of a
// rule means (automation-rule-reference, "Mapping to entities").
var identifiers = map[string][2]string{
	"AccountAadUserId": {"Account", "aadUserId"}, "AccountName": {"Account", "accountName"}, "AccountSid": {"Account", "sid"},
	"AccountUPNSuffix": {"Account", "upnSuffix"}, "CloudApplicationAppId": {"CloudApplication", "appId"},
	"CloudApplicationAppName": {"CloudApplication", "appName"}, "FileName": {"File", "fileName"}, "FileHashValue": {"FileHash", "hashValue"},
	"HostName": {"Host", "hostName"}, "IPAddress": {"Ip", "address"}, "MailboxDisplayName": {"Mailbox", "displayName"},
	"MailboxPrimaryAddress": {"Mailbox", "mailboxPrimaryAddress"}, "MailboxUPN": {"Mailbox", "upn"},
	"MailMessageRecipient": {"MailMessage", "recipient"}, "MailMessageSubject": {"MailMessage", "subject"},
	"ProcessCommandLine": {"Process", "commandLine"}, "Url": {"Url", "url"},
}

// valuesOf are the values that an incident has of a property.
func valuesOf(property string, o object) []string {
	text := func(v any) []string {
		if s, is := v.(string); is && s != "" {
			return []string{s}
		}
		return nil
	}
	var all []string
	switch property {
	case "IncidentTitle", "IncidentDescription", "IncidentSeverity", "IncidentStatus":
		return text(prop(o, strings.ToLower(strings.TrimPrefix(property, "Incident"))))
	case "IncidentLabel":
		for _, l := range prop(o, "labels").([]object) {
			all = append(all, l["labelName"].(string))
		}
		return all
	case "IncidentTactics":
		for _, a := range o["alerts"].([]object) {
			all = append(all, a["properties"].(object)["tactics"].([]string)...)
		}
		return all
	case "AlertProductNames":
		for _, a := range o["alerts"].([]object) {
			all = append(all, text(a["properties"].(object)["productName"])...)
		}
		return all
	}
	at, known := identifiers[property]
	if !known {
		return nil // of what the test's incidents have nothing
	}
	for _, e := range o["entities"].([]object) {
		if e["kind"] == at[0] {
			all = append(all, text(e["properties"].(object)[at[1]])...)
		}
	}
	return all
}
