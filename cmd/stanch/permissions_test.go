package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What `stanch permissions` says of each example, one by one, is what was written by
// hand; the list has all of them.
func TestPermissionsOfEveryExampleAreThoseWrittenByHand(t *testing.T) {
	raw, err := os.ReadFile("testdata/permissions/examples.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	book := ""
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimRight(line, "\n")
		need, is := strings.CutPrefix(line, "  ")
		switch {
		case line == "" || line[0] == '#':
		case is:
			want[book] = append(want[book], need)
		default:
			book = line
		}
	}
	got := map[string][]string{}
	for _, file := range exampleBooks(t) {
		name, err := filepath.Rel(examplesFolder, file)
		if err != nil {
			t.Fatal(err)
		}
		name = filepath.ToSlash(name)
		code, stdout, stderr := typed(t, "permissions", "--offline", "--output=json", file)
		var sheet permissionSheet
		if err := json.Unmarshal([]byte(stdout), &sheet); err != nil || code != 0 {
			t.Fatalf("%s: exit %d: %v: %s", name, code, err, stderr)
		}
		for _, n := range sheet.Needed {
			line := n.API + " " + n.Permission
			if n.When != "" {
				line += " @ " + n.When
			}
			got[name] = append(got[name], line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-by hand +told:\n%s", diff)
	}
}
