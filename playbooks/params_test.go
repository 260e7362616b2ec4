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
