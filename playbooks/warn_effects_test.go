package playbooks

import (
	"slices"
	"testing"
)

// With the order of labels known, so is which step lowers one.
func TestLabelsAreNotLoweredUnasked(t *testing.T) {
	world := testWorld()
	world.Labels = []string{"Public", "General", "Secret"}
	const head = "playbook: p\non: {manual: {}}\nguardrails: {max_targets: {files: 5}}\nsteps:\n"
	loop := func(condition, label string) string {
		return "  - for_each: evidence.files\n    as: file\n    steps:\n      - if: " + condition + "\n        uses: files.set_sensitivity_label\n        with: {file: \"${{ file }}\", label: " + label + "}\n"
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{head + loop(`file.label == "Secret"`, "General"), []string{"W524"}},
		{head + loop(`file.label != nil and file.label in ["Public", "secret"]`, "General"), []string{"W524"}},
		{head + loop(`file.label == "Public"`, "General"), nil},
		{head + loop(`file.label != "Secret"`, "General"), nil},
		{head + loop(`file.label == "Secret"`, "Ours"), nil},
		{head + "  - approve:\n      ask: Lower?\n      targets: evidence.files\n      approvers: [dlp-officers]\n" + loop(`file.label == "Secret"`, "General"), nil},
	} {
		_, findings := LoadAndCheck("p.yaml", []byte(c.text), world)
		if got := codesOf(findings); !slices.Equal(got, c.want) {
			t.Errorf("%s\ngot %v, want %v\n%s", c.text, got, c.want, allText(findings))
		}
	}
}

// Only what starts by itself runs without anybody having looked; a comment may
// stand wherever it likes.
func TestWhatMayRunByItself(t *testing.T) {
	const step = "guardrails: {max_targets: {users: 1}}\nsteps:\n  - uses: users.revoke_sessions\n    with: {user: jo@contoso.example}\n"
	const comment = "steps:\n  - uses: incidents.comment\n    with: {incident: defender/1, text: seen}\n"
	for text, want := range map[string][]string{
		"on: {manual: {}}\n" + step:               nil,
		"on: {incident: {}}\n" + step:             {"W513"},
		"on: {incident: {}, manual: {}}\n" + step: {"W513"},
		"on: {incident: {}}\n" + comment:          nil,
	} {
		if got := codesOf(findingsOf("playbook: p\n" + text)); !slices.Equal(got, want) {
			t.Errorf("%s\ngot %v, want %v", text, got, want)
		}
	}
}

// A playbook that nothing starts is found among others, and the comment that
// says it is meant is of use only there.
func TestNothingStartsIt(t *testing.T) {
	idle := Source{"idle.yaml", []byte("playbook: idle\nsteps:\n  - stop: Done\n")}
	meant := Source{"meant.yaml", []byte("playbook: meant # stanch:ignore W517 called from another repository\nsteps:\n  - stop: Done\n")}
	caller := Source{"caller.yaml", []byte("playbook: caller\non: {manual: {}}\nsteps:\n  - steps:\n      - call: idle\n")}
	for _, c := range []struct {
		files []Source
		want  []string
	}{
		{[]Source{idle}, nil},
		{[]Source{idle, meant}, []string{"W517"}},
		{[]Source{idle, caller}, nil},
		{[]Source{meant}, nil},
		{[]Source{meant, caller, idle}, nil},
		{[]Source{caller}, []string{"E420"}},
	} {
		_, findings := LoadAll(c.files, testWorld())
		if got := codesOf(findings); !slices.Equal(got, c.want) {
			t.Errorf("%d files: got %v, want %v\n%s", len(c.files), got, c.want, allText(findings))
		}
	}
	if _, findings := LoadAndCheck("meant.yaml", meant.Text, testWorld()); len(findings) > 0 {
		t.Errorf("%s", allText(findings))
	}
}
