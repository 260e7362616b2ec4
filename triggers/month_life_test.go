package triggers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/graph"
	"stanch/connectors/incident"
	"stanch/connectors/practice"
	"stanch/connectors/sentinel"
	"stanch/engine"
)

// happen lets one thing happen in the tenant, and tells the oracle.
func (m *month) happen() {
	m.n++
	m.pass(time.Second) // no two changes have one time
	life := map[string]func() bool{
		"opened in Defender": m.openDefender, "opened in Sentinel": m.openSentinel, "opened and unreadable": m.openPoisoned,
		"changed in Defender": m.changeDefender, "changed in Sentinel": m.changeSentinel, "alerts added": m.addAlerts,
		"merged": m.merge, "written by Stanch": m.ownWrite, "touched": m.touch, "old one changed": m.changeOld, "made readable": m.cure,
		"reported late": m.reportLate, "dated in the future": m.dateAhead,
	}
	names := slices.Sorted(maps.Keys(life))
	for range 20 {
		what := names[m.dice.IntN(len(names))]
		if what == "opened and unreadable" && m.roll(0.7) {
			continue
		}
		if life[what]() {
			m.did(what)
			return
		}
	}
}

// pick answers an incident that can be changed, of a source.
func (m *month) pick(source string) (string, *told) {
	var ids []string
	for id, in := range m.oracle {
		if strings.HasPrefix(id, source) && !in.poisoned && in.now.into == "" {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "", nil
	}
	slices.Sort(ids)
	id := ids[m.dice.IntN(len(ids))]
	return id, m.oracle[id]
}

func native(id string) string { return id[strings.LastIndexByte(id, '/')+1:] }

func (m *month) alerts(s *state) []map[string]any {
	var all []map[string]any
	for range m.dice.IntN(3) {
		m.n++
		source := oneOf(m, "dataLossPrevention", "microsoftDefenderForEndpoint", "microsoftDefenderForOffice365")
		id := fmt.Sprintf("al%d", m.n)
		all = append(all, map[string]any{"id": id, "title": "alert " + id, "serviceSource": source})
		s.alerts = append(s.alerts, id)
		s.devices = s.devices || source == "microsoftDefenderForEndpoint"
	}
	slices.Sort(s.alerts)
	return all
}

func (m *month) openDefender() bool {
	s := &state{severity: oneOf(m, "low", "medium", "high"), status: "active", title: fmt.Sprintf("incident %d", m.n)}
	body, err := json.Marshal(map[string]any{"displayName": s.title, "severity": s.severity, "alerts": m.alerts(s)})
	m.ok(err)
	id, err := m.server.Tenant.Inject(body)
	m.ok(err)
	m.oracle[incident.NewID(incident.Defender, id)] = &told{now: s, created: m.tenantNow()}
	return true
}

// reportLate opens an incident that tells of itself some time after it was made.
func (m *month) reportLate() bool {
	s := &state{severity: "high", status: "active", title: fmt.Sprintf("late %d", m.n)}
	by := m.upTo(oneOf(m, 8*time.Minute, 8*time.Hour))
	at := m.tenantNow().Add(-by)
	if at.Before(monthBegan) {
		return false
	}
	m.late = m.late || by > 8*time.Minute
	body := fmt.Sprintf(`{"displayName":%q,"severity":"high","createdDateTime":%q,"lastUpdateDateTime":%q}`, s.title, at.Format("2006-01-02T15:04:05Z"), at.Format("2006-01-02T15:04:05Z"))
	id, err := m.server.Tenant.Inject([]byte(body))
	m.ok(err)
	m.oracle[incident.NewID(incident.Defender, id)] = &told{now: s, created: at}
	return true
}

func (m *month) openSentinel() bool {
	name := fmt.Sprintf("5e000000-0000-4000-8000-%012d", m.n)
	s := &state{severity: oneOf(m, "low", "high"), status: "active", title: fmt.Sprintf("own %d", m.n)}
	_, err := m.azure.PutIncident(m.t.Context(), m.change(), name, "new", sentinel.Properties{
		Title: s.title, Severity: strings.ToUpper(s.severity[:1]) + s.severity[1:], Status: "New",
	})
	m.ok(err)
	m.oracle["sentinel/"+practice.ContosoWorkspace+"/"+name] = &told{now: s, created: m.tenantNow()}
	return true
}

func (m *month) openPoisoned() bool {
	s := &state{severity: "low", status: "active", title: fmt.Sprintf("poisoned %d", m.n)}
	id, err := m.server.Tenant.Inject(fmt.Appendf(nil, `{"displayName":%q,"severity":[1]}`, s.title))
	m.ok(err)
	m.oracle[incident.NewID(incident.Defender, id)] = &told{now: s, poisoned: true, created: m.tenantNow()}
	return true
}

func (m *month) cure() bool {
	for _, id := range slices.Sorted(maps.Keys(m.oracle)) {
		if in := m.oracle[id]; in.poisoned {
			in.poisoned, in.now.severity = false, "high"
			m.ok(m.server.Tenant.Amend(native(id), []byte(`{"severity":"high"}`)))
			return true
		}
	}
	return false
}

func (m *month) change() connectors.Change {
	return connectors.Change{ID: fmt.Sprintf("test-%d", m.n)}
}

func (m *month) changeDefender() bool {
	id, in := m.pick("defender/")
	if in == nil {
		return false
	}
	s := in.change()
	body := map[string]any{}
	switch m.dice.IntN(4) {
	case 0:
		s.severity = oneOf(m, "low", "medium", "high")
		body["severity"] = s.severity
	case 1:
		s.status = oneOf(m, "active", "inProgress", "resolved") // closed, and opened again
		body["status"] = s.status
	case 2:
		s.title = fmt.Sprintf("renamed %d", m.n)
		body["displayName"] = s.title
	case 3:
		s.tags = oneOf(m, []string{}, []string{"vip"}, []string{"other"}, []string{"vip", "other"})
		body["customTags"] = s.tags
	}
	raw, err := json.Marshal(body)
	m.ok(err)
	m.ok(m.server.Tenant.Amend(native(id), raw))
	return true
}

// changeSentinel changes an incident on Sentinel's side, its own or one that
// Defender has, too.
func (m *month) changeSentinel() bool {
	id, in := m.pick(oneOf(m, "sentinel/", "defender/"))
	if in == nil {
		return false
	}
	now, found := m.inSentinel(id)
	if !found {
		return false
	}
	p, s := now.Properties, in.change()
	if m.roll(0.5) {
		s.severity = oneOf(m, "low", "medium", "high")
		p.Severity = strings.ToUpper(s.severity[:1]) + s.severity[1:]
	} else {
		s.tags = oneOf(m, []string{"vip"}, []string{"other"})
		p.Labels = nil
		for _, tag := range s.tags {
			p.Labels = append(p.Labels, sentinel.Label{Name: tag})
		}
	}
	_, err := m.azure.PutIncident(m.t.Context(), m.change(), now.Name, now.ETag, p)
	m.ok(err)
	return true
}

func (m *month) inSentinel(id string) (sentinel.Incident, bool) {
	for page, err := range m.azure.Incidents(m.t.Context(), sentinel.Query{}) {
		m.ok(err)
		for _, one := range page.Incidents {
			if strings.HasPrefix(id, "sentinel/") && one.Name == native(id) || id == incident.NewID(incident.Defender, one.Defender()) {
				return one, true
			}
		}
	}
	return sentinel.Incident{}, false
}

func (m *month) addAlerts() bool {
	id, in := m.pick("defender/")
	if in == nil {
		return false
	}
	body, err := json.Marshal(map[string]any{"alerts": m.alerts(in.change())})
	m.ok(err)
	m.ok(m.server.Tenant.Amend(native(id), body))
	return true
}

func (m *month) merge() bool {
	id, in := m.pick("defender/")
	into, other := m.pick("defender/")
	if in == nil || id == into || m.roll(0.5) {
		return false
	}
	m.ok(m.server.Tenant.Merge(native(id), native(into)))
	from, to := in.change(), other.change()
	to.alerts = append(to.alerts, from.alerts...)
	slices.Sort(to.alerts)
	to.devices = to.devices || from.devices
	from.alerts, from.devices, from.into, from.status = nil, false, into, "redirected"
	return true
}

// ownWrite tags an incident as an action of Stanch does, and says so as the
// engine does. That is no news; to take the tag away again is.
func (m *month) ownWrite() bool {
	id, in := m.pick("defender/")
	if in == nil || in.seen == nil || len(in.been) > 0 || !in.seen.equal(in.now) {
		return false
	}
	tags := append(slices.Clone(in.now.tags), fmt.Sprintf("by-us-%d", m.n))
	effect := m.change()
	_, err := m.graph.UpdateIncident(m.t.Context(), effect, native(id), graph.IncidentPatch{Tags: &tags})
	m.ok(err)
	value, err := json.Marshal(tags)
	m.ok(err)
	body, err := json.Marshal(engine.OwnWrite{Value: value, Effect: effect.ID})
	m.ok(err)
	_, err = m.store.Put(m.t.Context(), engine.Document{Kind: engine.DocOwn, Key: id + "/tags", Body: body, Version: engine.AnyVersion})
	m.ok(err)
	in.change().tags = tags
	return true
}

// dateAhead dates an incident beyond the month.
func (m *month) dateAhead() bool {
	id, in := m.pick("defender/")
	if in == nil || !m.ahead || m.roll(0.8) {
		return false
	}
	s := in.change()
	s.title = fmt.Sprintf("ahead %d", m.n)
	m.ok(m.server.Tenant.Amend(native(id), fmt.Appendf(nil, `{"displayName":%q,"lastUpdateDateTime":"2027-03-01T00:00:00Z"}`, s.title)))
	return true
}

func (m *month) touch() bool {
	id, in := m.pick("defender/")
	if in == nil {
		return false
	}
	m.ok(m.server.Tenant.Amend(native(id), []byte(`{}`)))
	return true
}

// changeOld changes an incident that was there before the feed: it is known from
// then on, and starts nothing by that.
func (m *month) changeOld() bool {
	const id = "defender/40211"
	if m.oracle[id] != nil {
		return false
	}
	m.ok(m.server.Tenant.Amend("40211", []byte(`{"severity":"low","status":"active","displayName":"old","customTags":[]}`)))
	now, err := m.graph.Incident(m.t.Context(), "40211")
	m.ok(err)
	in, err := incident.FromGraph(now.Raw)
	m.ok(err)
	s := &state{severity: "low", status: "active", title: "old"}
	for _, a := range in.Alerts {
		s.alerts = append(s.alerts, a.ID)
		s.devices = s.devices || a.ServiceSource == "microsoftDefenderForEndpoint"
	}
	slices.Sort(s.alerts)
	m.oracle[id] = &told{now: s, created: in.CreatedAt}
	return true
}
