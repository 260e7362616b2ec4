package playbooks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func paramsBook(t *testing.T) *Playbook {
	t.Helper()
	p, findings := LoadAndCheck("p.yaml", []byte(`playbook: p
on: {manual: {}}
params:
  who: {type: string}
  label: {type: string, default: Confidential, enum: [Confidential, Secret]}
  many: {type: integer, default: 10, minimum: 1, maximum: 100}
  share: {type: number, default: 1}
  quiet: {type: boolean, default: false}
  window: {type: duration, default: 30d}
  large: {type: size, default: 10MiB}
  since: {type: time, default: "2026-01-01T00:00:00Z"}
  tags: {type: [string], default: [a]}
  counts: {type: [integer], default: []}
steps:
  - stop: ${{ params.who }}
`), testWorld())
	if HasErrors(findings) {
		t.Fatal(allText(findings))
	}
	return p
}

func TestParamsComeFromTextsAndDefaults(t *testing.T) {
	p := paramsBook(t)
	want := map[string]any{
		"who": "no", "label": "Secret", "many": 7, "share": 1.0, "quiet": true, "window": 36 * time.Hour,
		"large": 512, "since": time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "tags": []any{"x", "y z"}, "counts": []any{1, 2},
	}
	got, err := p.BindParams(map[string]string{
		"who": "no", "label": "Secret", "many": "7", "quiet": "true", "window": "1d12h", "large": "512",
		"tags": `["x", y z]`, "counts": "1, 2",
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Fatalf("%v\n%s", err, diff)
	}
	raw, err := Encode(got)
	if err != nil {
		t.Fatal(err)
	}
	back, err := p.DecodeParams(raw)
	if diff := cmp.Diff(want, back); err != nil || diff != "" {
		t.Errorf("what was stored came back otherwise: %v\n%s", err, diff)
	}
}

func TestEveryFaultOfParamsIsNamed(t *testing.T) {
	p := paramsBook(t)
	_, err := p.BindParams(map[string]string{
		"label": "Public", "many": "500", "share": "half", "quiet": "yes", "window": "30", "large": "many",
		"since": "yesterday", "counts": "1, x", "tags": "[a, &b c]", "windo": "3d", "printer": "x",
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"param who is missing; give it as --param who=VALUE (string)",
		`param label is one of Confidential, Secret, not "Public"`,
		"param many is 500; the most is 100",
		`param share is the text "half"; expected number`,
		`param quiet is the text "yes"; expected boolean`,
		`param window "30" is no duration`,
		`param large "many" is no size`,
		"param since \"yesterday\" is no time: write it as 2026-03-02T09:00:00Z",
		`param counts`,
		`param tags`,
		"playbook p has no param windo; did you mean window?",
		"playbook p has no param printer; it has who, label,",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n") + 1; lines != 12 {
		t.Errorf("%d faults, want 12:\n%v", lines, err)
	}
}

// What a form or a call gives is judged as what the command line gives.
func TestEveryConstraintIsHeldToWhatIsGiven(t *testing.T) {
	p, findings := LoadAndCheck("p.yaml", []byte(`playbook: p
on: {manual: {}}
params:
  upn: {type: string, format: upn}
  mail: {type: string, format: email}
  guid: {type: string, format: guid}
  domain: {type: string, format: domain}
  url: {type: string, format: url}
  name: {type: string, format: kebab}
  ticket: {type: string, pattern: "^INC[0-9]+$", min_length: 4, max_length: 8}
  window: {type: duration, minimum: 1h, maximum: 7d}
  large: {type: size, maximum: 1MiB}
  groups: {type: [string], min_items: 1, max_items: 2, unique: true, enum: [a, b, c]}
  person: {type: user, required: false}
  note: {type: string, required: false}
steps:
  - stop: ${{ toJSON(params) }}
`), testWorld())
	if HasErrors(findings) {
		t.Fatal(allText(findings))
	}
	params := map[string]Param{}
	for _, q := range p.Params {
		params[q.Name] = q
	}
	for name, c := range map[string]struct{ good, bad, because string }{
		"upn":    {"dana@contoso.example", "dana@", `is "dana@", which is no upn`},
		"mail":   {"d.o'neil+x@contoso.example", "a b@contoso.example", "which is no email"},
		"guid":   {"2f0e9a52-0000-4000-8000-000000000001", "2f0e9a52", "which is no guid"},
		"domain": {"contoso.example", "contoso..example", "which is no domain"},
		"url":    {"https://contoso.example/x", "javascript:alert(1)", "which is no url"},
		"name":   {"dlp-officers", "DLP", "which is no kebab"},
		"ticket": {"INC42", "XINC42", "does not match ^INC[0-9]+$"},
		"window": {"2d", "8d", "the most is 168h"},
		"large":  {"1MiB", "2MiB", "the most is 1048576"},
		"groups": {"a, b", "a, a", "has a twice"},
		"person": {`{"id": "dana", "users": []}`, "dana", "is JSON of user"},
		"note":   {"any", strings.Repeat("x", 70_000), "the most is 65536"},
	} {
		t.Run(name, func(t *testing.T) {
			q := params[name]
			v, err := q.Read(c.good)
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Fits(v); err != nil {
				t.Errorf("what was read does not fit: %v", err)
			}
			if _, err := q.Read(c.bad); err == nil || !strings.Contains(err.Error(), c.because) {
				t.Errorf("%v; want %q", err, c.because)
			}
		})
	}
	for _, c := range []struct {
		name    string
		value   any
		because string
	}{
		{"ticket", "INC123456789", "has 12 characters; the most is 8"},
		{"ticket", "INC", "has 3 characters; the least is 4"},
		{"ticket", 5, "expected string"},
		{"ticket", nil, "is missing"},
		{"groups", []any{}, "has 0 items; the least is 1"},
		{"groups", []any{"a", "b", "c"}, "has 3 items; the most is 2"},
		{"groups", []any{"d"}, "item 1 is not one of a, b, c"},
		{"person", map[string]any{}, "id"},
	} {
		if err := params[c.name].Fits(c.value); err == nil || !strings.Contains(err.Error(), c.because) {
			t.Errorf("%s %v: %v; want %q", c.name, c.value, err, c.because)
		}
	}
	if err := params["note"].Fits(nil); err != nil {
		t.Errorf("what may be left out is missed: %v", err)
	}
	if _, err := p.DecodeParams([]byte(`{"upn": "x"}`)); err == nil {
		t.Error("stored params that do not fit are taken")
	}
}
