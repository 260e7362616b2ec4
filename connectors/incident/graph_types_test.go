package incident

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Every type of evidence in the metadata, with every property set, maps: into
// the list of its kind, or whole into other. What it holds inside of typed
// evidence is found too.
func TestEveryEvidenceType(t *testing.T) {
	types, base, enums := wireTypes(t)
	g := generator{types: types, base: base, enums: enums}
	lists := map[string]string{
		"fileEvidence": "files", "userEvidence": "users", "deviceEvidence": "devices", "mailboxEvidence": "mailboxes",
		"analyzedMessageEvidence": "messages", "submissionMailEvidence": "messages", "teamsMessageEvidence": "messages",
		"cloudApplicationEvidence": "apps", "oauthApplicationEvidence": "apps", "ipEvidence": "ips",
		"urlEvidence": "urls", "processEvidence": "processes",
	}
	inside := map[string][]string{
		"processEvidence": {"users"}, "deviceEvidence": {"users"}, "mailboxEvidence": {"users"},
		"mailboxConfigurationEvidence": {"mailboxes"}, "teamsMessageEvidence": {"files", "urls"},
		"malwareEvidence": {"files", "processes", "users"}, "cloudLogonSessionEvidence": {"users"},
		"hostLogonSessionEvidence": {"users", "devices"}, "networkConnectionEvidence": {"ips"}, "dnsEvidence": {"ips"},
		"ioTDeviceEvidence": {"ips", "urls"}, "nicEvidence": {"ips"}, "kubernetesPodEvidence": {"ips"},
		"kubernetesServiceEvidence": {"ips"}, "containerEvidence": {"ips"},
	}
	count := 0
	for name := range types {
		if base[name] != "self.alertEvidence" {
			continue
		}
		count++
		t.Run(name, func(t *testing.T) {
			e := g.object(name, 0)
			e["@odata.type"] = "#microsoft.graph.security." + name
			i := mustMap(t, withEvidence(t, e))
			list := lists[name]
			if list == "" {
				list = "other"
				if len(i.Evidence.Other) != 1 || i.Evidence.Other[0].Kind != name {
					t.Fatalf("other: %+v", i.Evidence.Other)
				}
				for property := range e {
					if _, ok := i.Evidence.Other[0].Raw[property]; !ok {
						t.Errorf("other lost %s", property)
					}
				}
			} else if len(i.Evidence.Other) != 0 {
				t.Errorf("other holds %+v", i.Evidence.Other)
			}
			have := filled(t, i.Evidence)
			want := append([]string{list}, inside[name]...)
			for _, list := range want {
				if !slices.Contains(have, list) {
					t.Errorf("no %s in %v", list, have)
				}
			}
			for _, list := range have {
				if !slices.Contains(want, list) {
					t.Errorf("%s in the model, not expected", list)
				}
			}
		})
	}
	if count < 40 {
		t.Errorf("only %d types of evidence met", count)
	}
}

// generator makes a value of every type in the metadata.
type generator struct {
	types map[string]map[string]string
	base  map[string]string
	enums map[string][]string
}

func (g generator) object(name string, depth int) map[string]any {
	o := map[string]any{}
	for at := name; at != "" && at != "None"; at = strings.TrimPrefix(g.base[at], "self.") {
		for property, of := range g.types[at] {
			if v := g.value(property, of, depth); v != nil {
				o[property] = v
			}
		}
	}
	return o
}

func (g generator) value(property, of string, depth int) any {
	if inner, ok := strings.CutPrefix(of, "Collection("); ok {
		if v := g.value(property, strings.TrimSuffix(inner, ")"), depth); v != nil {
			return []any{v}
		}
		return []any{}
	}
	switch of {
	case "Edm.String":
		return property + "-text"
	case "Edm.Int32", "Edm.Int64":
		return json.Number("1234567890")
	case "Edm.Double":
		return json.Number("1.5")
	case "Edm.Boolean":
		return true
	case "Edm.DateTimeOffset":
		return "2026-03-01T09:30:00.1234567Z"
	case "Edm.Guid":
		return "8e0f2e7a-0000-4000-8000-1c2d3e4f5a6b"
	}
	name := strings.TrimPrefix(of, "self.")
	if members := g.enums[name]; members != nil {
		return members[0]
	}
	if g.types[name] == nil {
		return "enumMember" // an enum that the model does not use
	}
	if depth > 4 {
		return nil
	}
	return g.object(name, depth+1)
}

func withEvidence(t testing.TB, evidence ...map[string]any) []byte {
	t.Helper()
	return marshal(t, map[string]any{
		"id": "1", "displayName": "made up", "alerts": []any{map[string]any{"id": "a1", "evidence": evidence}},
	})
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustMap(t testing.TB, body []byte) Incident {
	t.Helper()
	i, err := FromGraph(body)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// filled names the lists that hold something.
func filled(t *testing.T, e Evidence) []string {
	t.Helper()
	var lists map[string][]json.RawMessage
	if err := json.Unmarshal(marshal(t, e), &lists); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, list := range lists {
		if list == nil {
			t.Errorf("%s is null", name)
		}
		if len(list) > 0 {
			names = append(names, name)
		}
	}
	return names
}

// A type that Microsoft adds tomorrow is kept, but for what may be matched
// content: open bags and long texts.
func TestUnknownEvidenceIsKept(t *testing.T) {
	long := strings.Repeat("4111 1111 1111 1111 ", 20)
	i := mustMap(t, withEvidence(t, map[string]any{
		"@odata.type": "#microsoft.graph.security.quantumEvidence", "verdict": "entangled", "roles": []any{"observer"},
		"qubits": json.Number("12345678901234567890"), "state": map[string]any{"note": long, "additionalData": map[string]any{"match": "4111"}},
		"CustomDetails": map[string]any{"match": "4111"}, "list": []any{nil, "x", long},
	}))
	if len(i.Evidence.Other) != 1 {
		t.Fatalf("other: %+v", i.Evidence.Other)
	}
	o := i.Evidence.Other[0]
	if o.Kind != "quantumEvidence" || *o.Verdict != "entangled" || !slices.Equal(o.Roles, []Role{"observer"}) {
		t.Errorf("kind %s, verdict %v, roles %v", o.Kind, *o.Verdict, o.Roles)
	}
	hashed := fmt.Sprintf(`{"length":400,"sha256":%q}`, hash(long))
	want := `{"@odata.type":"#microsoft.graph.security.quantumEvidence","list":[null,"x",` + hashed + `],` +
		`"qubits":12345678901234567890,"roles":["observer"],"state":{"note":` + hashed + `},"verdict":"entangled"}`
	if have := string(marshal(t, o.Raw)); have != want {
		t.Errorf("raw\n have %s\n want %s", have, want)
	}
	var back Incident
	if err := json.Unmarshal(marshal(t, i), &back); err != nil {
		t.Fatal(err)
	}
	if have := string(marshal(t, back.Evidence.Other[0].Raw)); have != want {
		t.Errorf("raw after a round trip\n have %s\n want %s", have, want)
	}
}
