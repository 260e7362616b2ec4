package playbooks

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"stanch/connectors/kusto"
)

// triggers reads what starts the playbook.
func (l *loader) triggers(p *Playbook, f fields) {
	x, ok := f.get("on")
	if !ok {
		return
	}
	on, ok := l.mapping(x.value, place{name: "on", keys: triggerNames()})
	if ok && len(x.value.Content) == 0 {
		l.add(l.src.node(x.value), "E204", "such as `manual: {}`, or leave `on` out of a playbook that is only called", "on names no trigger: nothing would start this playbook")
	}
	if t, ok := on.get("incident"); ok {
		p.On.Incident = l.incidentTrigger(t.value)
	}
	if t, ok := on.get("alert"); ok {
		p.On.Alert = l.alertTrigger(t.value)
	}
	if t, ok := on.get("schedule"); ok {
		s := l.scheduleTrigger(t.value, "on.schedule", "if")
		p.On.Schedule = &s
	}
	if t, ok := on.get("hunting"); ok {
		p.On.Hunting = l.huntingTrigger(t.value)
	}
	if t, ok := on.get("webhook"); ok {
		p.On.Webhook = l.webhookTrigger(t.value)
	}
	if t, ok := on.get("manual"); ok {
		p.On.Manual = l.manualTrigger(t.value, p.On)
	}
}

// triggerNames are the keys of `on`.
func triggerNames() []string {
	return []string{"incident", "alert", "schedule", "hunting", "webhook", "manual"}
}

func (l *loader) incidentTrigger(n *yaml.Node) *IncidentTrigger {
	t := &IncidentTrigger{Events: incidentEvents(), Changes: []string{"alerts", "evidence", "severity"}}
	f, _ := l.mapping(n, place{name: "on.incident", keys: []string{"events", "changes", "if"}})
	t.written = f
	if x, ok := f.get("events"); ok {
		t.Events = l.words(x.value, "events", incidentEvents())
	}
	if x, ok := f.get("changes"); ok {
		t.Changes = l.words(x.value, "changes", incidentChanges())
		if !slices.Contains(t.Events, "updated") {
			l.add(l.src.node(x.key), "E210", "add updated to events, or delete changes", "changes says which updates start the playbook, but events leaves updates out")
		}
	}
	return t
}

func incidentEvents() []string { return []string{"created", "updated"} }

func (l *loader) alertTrigger(n *yaml.Node) *AlertTrigger {
	t := &AlertTrigger{Events: []string{"created"}}
	f, _ := l.mapping(n, place{name: "on.alert", keys: []string{"events", "if"}})
	t.written = f
	if x, ok := f.get("events"); ok {
		t.Events = l.words(x.value, "events", alertEvents())
	}
	return t
}

func alertEvents() []string { return []string{"created", "detailed"} }

// subjects are what a person may start a playbook on.
func subjects() []string {
	return []string{"incident", "alert", "user", "file", "device", "mailbox", "none"}
}

// manualTrigger reads on what a person starts the playbook: by default on what
// the other triggers start it on.
func (l *loader) manualTrigger(n *yaml.Node, others On) *ManualTrigger {
	t := &ManualTrigger{Subject: "incident"}
	switch {
	case others.Incident == nil && others.Alert != nil:
		t.Subject = "alert"
	case others.Incident == nil && others != (On{}):
		t.Subject = "none"
	}
	f, ok := l.mapping(n, place{name: "on.manual", keys: []string{"subject"}})
	if ok && f.has("subject") {
		t.Subject = l.oneOf(f, "subject", subjects()...)
	}
	return t
}

// scheduleTrigger reads when something is due. More are further keys that may
// stand there.
func (l *loader) scheduleTrigger(n *yaml.Node, name string, more ...string) ScheduleTrigger {
	t := ScheduleTrigger{Zone: "UTC"}
	f, ok := l.mapping(n, place{
		name: name, keys: append([]string{"cron", "zone", "misfire", "dst", "jitter"}, more...), required: []string{"cron"},
	})
	t.written = f
	t.Misfire = l.oneOf(f, "misfire", "once", "skip", "all")
	t.DST = l.oneOf(f, "dst", "once", "skip")
	t.Jitter = l.duration(f, "jitter", 0)
	if x, ok := f.get("zone"); ok {
		t.Zone = l.text(x.value, "zone")
		l.zone(x.value)
	}
	if x, has := f.get("cron"); has && ok {
		t.Cron = l.text(x.value, "cron")
		l.cron(x.value, t)
	}
	return t
}

// zone judges the name of a time zone.
func (l *loader) zone(n *yaml.Node) {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return
	}
	if _, err := loadZone(n.Value); err != nil {
		hint := suggest(n.Value, knownZones())
		if hint == "" {
			hint = "such as Europe/Berlin, America/New_York or UTC: the names of the IANA time zone database"
		}
		l.add(l.src.node(n), "E613", hint, "there is no time zone %s", quoted(n.Value))
	}
}

// The bounds of how often a playbook may start by the clock.
const (
	oftenSchedule = 5 * time.Minute
	maxJitter     = 24 * time.Hour
)

// cron judges a cron expression and what its times mean for the rest.
func (l *loader) cron(n *yaml.Node, t ScheduleTrigger) {
	if t.Cron == "" {
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
			l.add(l.src.node(n), "E611", cronHint, "cron is empty")
		}
		return
	}
	at := l.src.node(n)
	spec, err := parseCron(t.Cron)
	switch {
	case strings.Contains(t.Cron, "${{"):
		return // a finding already
	case err != nil:
		l.add(at, "E611", err.hint, "cron %s: %s", quoted(t.Cron), err.message)
		return
	case !spec.everFires():
		l.add(at, "E612", "", "cron %s never comes: no month that it names has such a day", quoted(t.Cron))
		return
	}
	gap := spec.leastGap()
	if gap < oftenSchedule {
		l.add(at, "W611", "say it less often; incidents are better listened to with on.incident", "cron %s is due every %s: each time is a run, or a query", quoted(t.Cron), shortDuration(gap))
	}
	if x, ok := t.written.get("jitter"); ok {
		switch {
		case t.Jitter > maxJitter:
			l.add(l.src.node(x.value), "E204", "", "jitter is at most 24h, not %s", x.value.Value)
		case t.Jitter >= gap:
			l.add(l.src.node(x.value), "W612", "make it shorter than "+shortDuration(gap), "jitter %s is as long as the time between two starts: they may come in any order", x.value.Value)
		}
	}
}

// columnPattern is the name of a column of a hunting query.
var columnPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

// The bounds of a hunting trigger.
const (
	defaultRows = 500
	mostRows    = 10_000
	maxQuery    = 10_000 // characters
)

func (l *loader) huntingTrigger(n *yaml.Node) *HuntingTrigger {
	t := &HuntingTrigger{Schedule: ScheduleTrigger{Zone: "UTC", Misfire: "once", DST: "once"}}
	f, _ := l.mapping(n, place{
		name:     "on.hunting",
		keys:     []string{"schedule", "source", "query", "let", "columns", "key", "start", "max_rows", "if"},
		required: []string{"schedule", "query"},
	})
	t.written = f
	if x, ok := f.get("schedule"); ok {
		t.Schedule = l.scheduleTrigger(x.value, "on.hunting.schedule")
	}
	t.Source = l.oneOf(f, "source", "defender", "logs")
	t.Start = l.oneOf(f, "start", "each_row", "batch")
	t.MaxRows = l.number(f, "max_rows", numberRange{1, mostRows, defaultRows})
	if x, ok := f.get("query"); ok {
		t.Query = l.query(x.value)
	}
	if x, ok := f.get("columns"); ok {
		t.Columns = l.columns(x.value)
	}
	if x, ok := f.get("key"); ok {
		t.Key = l.key(x, t, f.has("columns"))
	}
	return t
}

// query reads KQL as it is written. A value put into its text could change what
// it asks, so values come by let alone.
func (l *loader) query(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		return l.text(n, "query")
	}
	at := l.src.node(n)
	if i := strings.Index(n.Value, "${{"); i >= 0 {
		from := len([]rune(n.Value[:i]))
		l.add(l.src.inScalar(n, from, from+3), "E616", "write a name there, and give its value in let: {name: \"${{ … }}\"}", "a value inside the text of a query could change what it asks")
	}
	switch {
	case strings.TrimSpace(n.Value) == "":
		l.add(at, "E204", "", "query is empty")
	case len(n.Value) > maxQuery:
		l.add(at, "E204", "", "query has %d characters; the most is %d", len(n.Value), maxQuery)
	default:
		if f := kusto.Scan(n.Value); f != nil {
			from, to := len([]rune(n.Value[:f.From])), len([]rune(n.Value[:f.To]))
			l.add(l.src.inScalar(n, from, to), "E618", f.Hint, "the query cannot be read: %s", f.Message)
		}
	}
	l.eaten(n)
	return n.Value
}

// columns reads what the query answers.
func (l *loader) columns(n *yaml.Node) []Param {
	all, ok := l.raw(n, "columns")
	if ok && len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "such as {upn: string, n: integer}, or leave it out", "columns is empty")
	}
	var columns []Param
	for _, x := range all.all {
		if !columnPattern.MatchString(x.name) {
			l.add(l.src.node(x.key), "E205", "letters, digits and _, as the query calls it", "a column cannot be called %s%s", quoted(x.name), foreign(x.name))
			continue
		}
		t := l.column(x)
		columns = append(columns, Param{Name: x.name, Type: t, Required: !t.Optional(), key: x.key})
	}
	return columns
}

// column reads the type of a column. A dynamic one may hold an entity, such as
// user for bag_pack("id", AccountObjectId, "upn", AccountId).
func (l *loader) column(x field) Type {
	if x.value.Kind == yaml.ScalarNode && x.value.Tag == "!!str" {
		kind, optional := strings.CutSuffix(x.value.Value, "?")
		switch is := slices.Contains(columnEntities(), kind); {
		case is && optional:
			return OptionalOf(entityType(kind))
		case is:
			return entityType(kind)
		}
	}
	return l.shapeOfValue(x.value, "columns."+x.name)
}

// columnEntities are the kinds of entities that a column may hold.
func columnEntities() []string { return []string{"file", "user", "device", "mailbox", "message"} }

// key reads which columns say that a row is the same as an earlier one.
func (l *loader) key(x field, t *HuntingTrigger, hasColumns bool) []string {
	keys := l.texts(x.value, "key")
	if x.value.Kind == yaml.SequenceNode && len(x.value.Content) == 0 {
		l.add(l.src.node(x.value), "E204", "leave it out: then a row is known by all its columns", "key is empty")
	}
	known := []string{}
	for _, c := range t.Columns {
		known = append(known, c.Name)
	}
	for i, n := range x.value.Content {
		switch {
		case n.Kind != yaml.ScalarNode || n.Tag != "!!str":
		case slices.Contains(keys[:min(i, len(keys))], n.Value):
			l.add(l.src.node(n), "E206", "", "key names %s twice", n.Value)
		case hasColumns && !slices.Contains(known, n.Value):
			l.add(l.src.node(n), "E615", suggest(n.Value, known), "columns has no %s%s", quoted(n.Value), knownNames(known))
		}
	}
	if !hasColumns && len(keys) > 0 {
		l.add(l.src.node(x.key), "E615", fmt.Sprintf("add columns: {%s: string}", keys[0]), "key names columns, and columns is not there")
	}
	if t.Start == "batch" {
		l.add(l.src.node(x.key), "E210", "delete it, or start each_row", "key tells rows apart that start runs of their own; start: batch has one run for all")
	}
	return keys
}

// hookPath is the path of a webhook: words in kebab-case, with / between.
var hookPath = regexp.MustCompile(`^[a-z0-9]+([-/][a-z0-9]+)*$`)

// hookProofs are the ways in which a request shows where it comes from.
func hookProofs() []string { return []string{"hmac", "token", "graph"} }

func (l *loader) webhookTrigger(n *yaml.Node) *WebhookTrigger {
	t := &WebhookTrigger{Body: AnyType()}
	f, _ := l.mapping(n, place{name: "on.webhook", keys: []string{"path", "auth", "body", "if"}, required: []string{"path"}})
	t.written = f
	t.Auth = l.oneOf(f, "auth", hookProofs()...)
	if x, ok := f.get("path"); ok {
		t.Path = l.text(x.value, "path")
		if x.value.Tag == "!!str" && (!hookPath.MatchString(t.Path) || len(t.Path) > 128) {
			hint := "lower case letters and digits in words joined by - or /, such as dlp or purview/alerts; it is called as /hooks/…"
			l.add(l.src.node(x.value), "E617", hint, "a webhook cannot have the path %s%s", quoted(t.Path), foreign(t.Path))
		}
	}
	if x, ok := f.get("body"); ok {
		t.Body = l.shapeOfData(x.value, "body")
	}
	return t
}

// words reads a list of words out of a set, each once and at least one.
func (l *loader) words(n *yaml.Node, what string, known []string) []string {
	all := l.texts(n, what)
	if len(n.Content) > 2*len(known) {
		l.add(l.src.node(n), "E204", "", "%s has %d entries; it takes %s, each once", what, len(n.Content), strings.Join(known, ", "))
		return nil
	}
	for i, node := range n.Content {
		if node.Kind != yaml.ScalarNode || node.Tag != "!!str" {
			continue
		}
		if !slices.Contains(known, node.Value) {
			l.add(l.src.node(node), "E204", suggest(node.Value, known), "%s has no %s: it takes %s", what, quoted(node.Value), strings.Join(known, ", "))
		}
		for _, before := range n.Content[:i] {
			if before.Kind == yaml.ScalarNode && before.Value == node.Value {
				l.add(l.src.node(node), "E206", "", "%s names %s twice", what, node.Value)
			}
		}
	}
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		l.add(l.src.node(n), "E204", "", "%s is empty: it takes %s", what, strings.Join(known, ", "))
	}
	return all
}
