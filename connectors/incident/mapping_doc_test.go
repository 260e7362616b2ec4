package incident

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// wireTypes reads testdata/types.txt: properties and their types by type, and
// the members of enums.
func wireTypes(t testing.TB) (types map[string]map[string]string, base map[string]string, enums map[string][]string) {
	t.Helper()
	text, err := os.ReadFile("testdata/types.txt")
	if err != nil {
		t.Fatal(err)
	}
	types, base, enums = map[string]map[string]string{}, map[string]string{}, map[string][]string{}
	current := ""
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case words[0] == "ENUM":
			enums[words[1]] = words[2:]
		case words[0] == "TYPE":
			current = words[1]
			types[current], base[current] = map[string]string{}, words[3]
		default:
			types[current][words[0]] = words[1]
		}
	}
	return types, base, enums
}

// The page names every property of an incident, an alert and the evidence that
// has a list, mapped or left out.
func TestMappingNamesWireProperties(t *testing.T) {
	page := mappingPage(t)
	types, _, _ := wireTypes(t)
	for _, name := range []string{
		"incident", "alert", "alertComment", "alertEvidence", "fileEvidence", "fileDetails", "userEvidence",
		"userAccount", "deviceEvidence", "loggedOnUser", "mailboxEvidence", "analyzedMessageEvidence",
		"submissionMailEvidence", "teamsMessageEvidence", "cloudApplicationEvidence", "oauthApplicationEvidence",
		"ipEvidence", "urlEvidence", "processEvidence",
	} {
		if len(types[name]) == 0 {
			t.Fatalf("no type %s in the metadata", name)
		}
		for property := range types[name] {
			if !slices.ContainsFunc([]string{"`" + property + "`", "." + property + "`", "`" + property + ".", "]." + property}, func(s string) bool {
				return strings.Contains(page, s)
			}) {
				t.Errorf("MAPPING.md does not name %s of %s", property, name)
			}
		}
	}
}

// The page has a row for every field of the model.
func TestMappingNamesModelFields(t *testing.T) {
	page := mappingPage(t)
	want := func(of reflect.Type, prefix string) {
		for f := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(f).Tag.Get("json"), ",")
			if prefix != "" && slices.Contains([]string{"alerts", "verdict", "roles"}, name) {
				continue // said once for all
			}
			if !strings.Contains(page, "`"+prefix+name+"`") {
				t.Errorf("MAPPING.md does not name %s of %s", prefix+name, of.Name())
			}
		}
	}
	for _, of := range []reflect.Type{
		reflect.TypeFor[Incident](), reflect.TypeFor[Alert](), reflect.TypeFor[Comment](), reflect.TypeFor[SensitiveType](),
		reflect.TypeFor[Evidence](),
	} {
		want(of, "")
	}
	want(reflect.TypeFor[Policy](), "")
	evidence := reflect.TypeFor[Evidence]()
	for f := range evidence.NumField() {
		want(evidence.Field(f).Type.Elem(), evidence.Field(f).Tag.Get("json")+".")
	}
}

func mappingPage(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("MAPPING.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// Enums know every member of the API.
func TestEnumsAreComplete(t *testing.T) {
	_, _, enums := wireTypes(t)
	for name, have := range map[string][]string{
		"alertSeverity": Severity("").Values(), "incidentStatus": Status("").Values(),
		"alertStatus": AlertStatus("").Values(), "alertClassification": Classification("").Values(),
		"alertDetermination": Determination("").Values(), "serviceSource": ServiceSource("").Values(),
		"detectionSource": DetectionSource("").Values(), "evidenceVerdict": Verdict("").Values(),
		"evidenceRole": Role("").Values(), "deviceHealthStatus": DeviceHealth("").Values(),
		"deviceRiskScore": DeviceRisk("").Values(),
	} {
		have, want := slices.Sorted(slices.Values(have)), slices.Clone(enums[name])
		if !slices.Contains(want, "unknown") && slices.Contains(have, "unknown") {
			want = append(want, "unknown")
		}
		if slices.Sort(want); !slices.Equal(have, want) {
			t.Errorf("%s:\n have %v\n want %v", name, have, want)
		}
	}
}

// What other rooms read from the Go types is there: a json name in snake_case
// and a doc for every field, pointers exactly where omitempty says optional,
// and no kind of field that the conventions do not know.
func TestModelKeepsItsConventions(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var check func(of reflect.Type)
	check = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() == "time" || seen[of] {
			return
		}
		seen[of] = true
		for f := range of.NumField() {
			field := of.Field(f)
			name, option, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, "- ") {
				t.Errorf("%s.%s: the json name %q is not snake_case", of.Name(), field.Name, name)
			}
			if field.Tag.Get("doc") == "" {
				t.Errorf("%s.%s has no doc", of.Name(), field.Name)
			}
			if optional := field.Type.Kind() == reflect.Pointer; optional != (option == "omitempty") {
				t.Errorf("%s.%s: pointer %v, omitempty %v; both or none", of.Name(), field.Name, optional, option == "omitempty")
			}
			check(field.Type)
		}
	}
	check(reflect.TypeFor[Incident]())
	if len(seen) < 16 {
		t.Errorf("only %d types checked", len(seen))
	}
}
