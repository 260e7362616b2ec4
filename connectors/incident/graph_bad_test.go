package incident

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// What cannot be mapped is refused with what and where, and nothing is mapped.
func TestRefusedBodies(t *testing.T) {
	alert := `{"id":"1","displayName":"x","alerts":[{"id":"a","evidence":[%s]}]}`
	for _, c := range []struct{ name, body, want string }{
		{"nothing", "", "the body is empty"},
		{"spaces", " \n ", "the body is empty"},
		{"HTML", "<!DOCTYPE html><title>Sign in</title>", "HTML or XML"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "UTF-16"},
		{"gzip", "\x1f\x8b\x08", "gzip"},
		{"not UTF-8", "{\n\"id\":\"\xff\"}", "line 2, column 7: not JSON: invalid UTF-8"},
		{"text", "incident 5", "line 1, column 1: not JSON: invalid character 'i'"},
		{"cut off", `{"id":"1",` + "\n" + `"alerts":[{"id":"a"`, "line 2, column 20: not JSON: the body ends in the middle"},
		{"comma too many", `{"id":"1",}`, "line 1, column 11: not JSON"},
		{"two values", `{"id":"1","status":"active"} {}`, "column 30: text after the end"},
		{"key twice", `{"id":"1","status":"active","id":"2"}`, `column 33: the key "id" stands twice`},
		{"too deep", `{"id":"1","alerts":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, "nested deeper than 64"},
		{"a list", `[{"id":"1"},{"id":"2"}]`, "got a list of 2; give one incident of it"},
		{"a text", `"1"`, `got the text "1"`},
		{"null", `null`, "got null"},
		{"a list answer", `{"@odata.context":"x","value":[{"id":"1"},{"id":"2"}]}`, "value holds a list of 2; give one element of value"},
		{"an error answer", `{"error":{"code":"Forbidden","message":"no"}}`, `error answer of Graph (code "Forbidden")`},
		{"a Sentinel incident", `{"id":"/subscriptions/x","name":"g","type":"Microsoft.SecurityInsights/incidents","properties":{}}`, "Azure resource"},
		{"an alert", `{"@odata.type":"#microsoft.graph.security.alert","id":"a","incidentId":"28282"}`, `this is an alert, not an incident; give its incident, which has the id "28282"`},
		{"an alert without type", `{"id":"a","incidentId":"7","title":"t"}`, `id "7"`},
		{"another type", `{"@odata.type":"#microsoft.graph.user","id":"a"}`, `@odata.type: want #microsoft.graph.security.incident, got "#microsoft.graph.user"`},
		{"no id", `{"displayName":"x"}`, "id: an incident has an id"},
		{"empty id", `{"displayName":"x","id":" "}`, "id: the id of the incident is empty"},
		{"number as id", `{"displayName":"x","id":7}`, "id: want a text, got the number 7"},
		{"only an id", `{"id":"7"}`, "this body has only id"},
		{"number as title", `{"id":"1","displayName":5}`, "displayName: want a text, got the number 5"},
		{"switch as title", `{"id":"1","displayName":true}`, "displayName: want a text, got true"},
		{"text as list", `{"id":"1","alerts":"none"}`, `alerts: want a list, got the text "none"`},
		{"object as list", `{"id":"1","alerts":{"id":"a"}}`, "alerts: want a list, got an object of 1 properties"},
		{"text as alert", `{"id":"1","alerts":[null,"a"]}`, `alerts[1]: want an object, got the text "a"`},
		{"alert without id", `{"id":"1","alerts":[{"id":"a"},{"title":"x"}]}`, "alerts[1].id: want the id of the alert, got none"},
		{"number in tags", `{"id":"1","customTags":["a",1],"status":"active"}`, "customTags[1]: want a text, got the number 1"},
		{"text as size", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"x","fileSize":"6136392"}}`), `alerts[0].evidence[0].fileDetails.fileSize: want a whole number, got the text "6136392"`},
		{"size of 20 digits", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"x","fileSize":12345678901234567890}}`), "fileSize: want a whole number of at most 64 bits, got the number 12345678901234567890"},
		{"broken size", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"x","fileSize":1.5}}`), "fileSize: want a whole number of at most 64 bits, got the number 1.5"},
		{"text as application", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.cloudApplicationEvidence","appId":"20892"}`), `evidence[0].appId: want a whole number, got the text "20892"`},
		{"number as verdict", fmt.Sprintf(alert, `{"@odata.type":"x","verdict":1}`), "alerts[0].evidence[0].verdict: want a text, got the number 1"},
		{"text as details", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":"x"}`), `fileDetails: want an object, got the text "x"`},
		{"list as details", fmt.Sprintf(alert, `{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":[1]}`), "fileDetails: want an object, got a list of 1"},
		{"no date", `{"id":"1","createdDateTime":"yesterday"}`, `createdDateTime: want a date such as 2026-03-01T09:30:00Z, got the text "yesterday"`},
		{"date beyond 9999", `{"id":"1","createdDateTime":"9999-12-31T23:59:59-14:00"}`, "createdDateTime: want a date"},
		{"steering text", `{"id":"1","createdDateTime":"\u001b[2J\u202e"}`, `got the text "\x1b[2J\u202e"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, err := FromGraph([]byte(c.body))
			if err == nil {
				t.Fatalf("mapped to %+v", i)
			}
			if !strings.HasPrefix(err.Error(), "graph incident: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("\n have %s\n want %s", err, c.want)
			}
		})
	}
}

// All wrong values are told at once, each once, with their number.
func TestProblemsAreToldAtOnce(t *testing.T) {
	_, err := FromGraph([]byte(`{"id":"1","displayName":1,"status":2,"alerts":[` +
		strings.TrimSuffix(strings.Repeat(`{"id":1},`, 30), ",") + `]}`))
	wrong, ok := errors.AsType[*BodyError](err)
	if !ok || wrong.Count != 32 || len(wrong.Problems) != 20 {
		t.Fatalf("%v", err)
	}
	if !strings.HasSuffix(err.Error(), "; and 12 more") || wrong.Problems[2].Path != "alerts[0].id" {
		t.Errorf("%v", err)
	}
}

// A page of alerts that is not the last is no incident to act on.
func TestFurtherPagesAreNotLost(t *testing.T) {
	_, err := FromGraph([]byte(`{"id":"1","alerts":[],"alerts@odata.nextLink":"https://graph.microsoft.com/…"}`))
	if !errors.Is(err, ErrPartial) {
		t.Errorf("have %v", err)
	}
}

func TestLimitsAreNamed(t *testing.T) {
	repeat := func(s string, n int) string { return strings.TrimSuffix(strings.Repeat(s+",", n), ",") }
	for _, c := range []struct{ name, body, want string }{
		{"alerts", `{"id":"1","alerts":[` + repeat(`{"id":"a"}`, MaxAlerts+1) + `]}`, "5001 alerts with 0 pieces of evidence, at most 5000 and 100000"},
		{"evidence", `{"id":"1","alerts":[` + repeat(`{"id":"a","evidence":[`+repeat("{}", 50_001)+`]}`, 2) + `]}`, "2 alerts with 100002 pieces of evidence"},
		{"bytes", strings.Repeat(" ", MaxBody+1), "the body has 67108865 bytes, at most 67108864 are read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := FromGraph([]byte(c.body)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("have %v", err)
			}
		})
	}
	i := mustMap(t, []byte(`{"id":"1","alerts":[`+repeat(`{"id":"a"}`, MaxAlerts)+`]}`))
	if len(i.Alerts) != 1 {
		t.Errorf("%d alerts", len(i.Alerts))
	}
}

// What is odd but readable is read.
func TestOddBodiesAreSurvived(t *testing.T) {
	for _, c := range []struct {
		name, body string
		ok         func(Incident) bool
	}{
		{"alerts null", `{"id":"1","alerts":null}`, func(i Incident) bool { return len(i.Alerts) == 0 }},
		{"alerts absent", `{"id":"1","status":"active"}`, func(i Incident) bool { return len(i.Alerts) == 0 }},
		{"alerts {}", `{"id":"1","alerts":{}}`, func(i Incident) bool { return len(i.Alerts) == 0 }},
		{"alerts empty text", `{"id":"1","alerts":""}`, func(i Incident) bool { return len(i.Alerts) == 0 }},
		{"alert without evidence", `{"id":"1","alerts":[{"id":"a"}]}`, func(i Incident) bool { return len(i.Alerts) == 1 }},
		{"null alert", `{"id":"1","alerts":[null]}`, func(i Incident) bool { return len(i.Alerts) == 0 }},
		{"BOM", "\xef\xbb\xbf" + `{"id":"1","alerts":null}`, func(i Incident) bool { return i.ID == "defender/1" }},
		{"all null", `{"id":"1","displayName":null,"severity":null,"status":null,"classification":null,"determination":null,"createdDateTime":null,"customTags":null,"comments":null}`, func(i Incident) bool {
			return i.Severity == "unknown" && i.Status == "unknown" && i.Classification == "unknown" && i.Determination == "unknown" && i.CreatedAt.IsZero()
		}},
		{"PascalCase", `{"id":"1","status":"InProgress","severity":"HIGH"}`, func(i Incident) bool { return i.Status == "inProgress" && i.Severity == "high" }},
		{"unknown values", `{"id":"1","status":"unknownFutureValue","severity":"Catastrophic"}`, func(i Incident) bool {
			return i.Status == "unknownFutureValue" && i.Severity == "Catastrophic"
		}},
		{"long id", `{"id":"12345678901234567890","status":"active"}`, func(i Incident) bool { return i.ID == "defender/12345678901234567890" }},
		{"id of all signs", `{"id":"a/b+c= ü","status":"active"}`, func(i Incident) bool { return i.ID == "defender/a/b+c= ü" }},
		{"seven digits", `{"id":"1","createdDateTime":"2021-08-13T08:43:35.5533333Z"}`, func(i Incident) bool { return i.CreatedAt.Nanosecond() == 553333300 }},
		{"no zone", `{"id":"1","createdDateTime":"2021-08-13T08:43:35.55"}`, func(i Incident) bool { return i.CreatedAt.Hour() == 8 }},
		{"another zone", `{"id":"1","createdDateTime":"2021-08-13T08:43:35+02:00"}`, func(i Incident) bool { return i.CreatedAt.Hour() == 6 }},
		{"year 1", `{"id":"1","createdDateTime":"0001-01-01T00:00:00Z","lastUpdateDateTime":"2021-08-13T08:43:35Z"}`, func(i Incident) bool { return i.CreatedAt.Year() == 2021 }},
		{"year 9999", `{"id":"1","createdDateTime":"9999-12-31T23:59:59.9999999Z"}`, func(i Incident) bool { return i.CreatedAt.Year() == 9999 }},
		{"dates of alerts", `{"id":"1","alerts":[{"id":"a","createdDateTime":"2021-01-02T00:00:00Z"},{"id":"b","createdDateTime":"2021-01-01T00:00:00Z"}]}`, func(i Incident) bool {
			return i.CreatedAt.Day() == 1 && i.UpdatedAt.Day() == 2
		}},
		{"tag twice", `{"id":"1","status":"active","customTags":["b","a","b",null,""]}`, func(i Incident) bool { return slices.Equal(i.Tags, []string{"b", "a"}) }},
		{"redirected", `{"id":"1","status":"redirected","redirectIncidentId":"2"}`, func(i Incident) bool { return *i.RedirectedTo == "defender/2" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			i, err := FromGraph([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if !c.ok(i) {
				t.Errorf("%+v", i)
			}
			lists(t, i)
		})
	}
}

// Matched content and property bags leave no trace in the model.
func TestNoBagIsKept(t *testing.T) {
	const secret = "4111111111111111"
	bag := fmt.Sprintf(`{"match":%q,"PolicyName":"x"}`, secret)
	body := fmt.Sprintf(`{"id":"1","alerts":[{"id":"a","additionalData":%s,"customDetails":%s,"evidence":[
		{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"fileName":"x"},"additionalData":%[1]s},
		{"@odata.type":"#microsoft.graph.security.newEvidence","customDetails":%[1]s,"inner":{"additionalData":%[1]s}}]}]}`, bag, bag)
	if text := string(encode(mustMap(t, []byte(body)))); strings.Contains(text, secret) {
		t.Error(text)
	}
}

func TestSamplesKeepAllLists(t *testing.T) {
	for _, file := range []string{"graph_security_incidents_list.json", "graph_security_incidents_list_expand_alerts.json"} {
		body, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromGraph(body); err == nil || !strings.Contains(err.Error(), "list answer") {
			t.Errorf("%s as a whole: %v", file, err)
		}
		for _, sample := range samples(t, "testdata/"+file) {
			lists(t, mustMap(t, marshal(t, sample)))
		}
	}
}
