package activity_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stanch/connectors"
	"stanch/connectors/activity"
	"stanch/connectors/practice"
)

// service is a server that answers lists with one content and that content with
// whatever the test says.
type service struct {
	*httptest.Server
	content func(http.ResponseWriter) // the answer for the content
	list    func(host string) string  // the list; empty: one content here
	next    string                    // NextPageUri
	stray   int                       // requests to addresses that are not the API's
}

func answering(t *testing.T, content func(http.ResponseWriter)) (*service, *activity.Client) {
	t.Helper()
	s := &service{content: content}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := "https://" + r.Host + "/" + practice.ContosoTenantID
		claims, _ := json.Marshal(map[string]string{"tid": practice.ContosoTenantID, "appid": "app"})
		switch {
		case strings.HasSuffix(r.URL.Path, "/openid-configuration"):
			_, _ = io.WriteString(w, `{"issuer":"`+base+`/v2.0","authorization_endpoint":"`+base+`/oauth2/v2.0/authorize","token_endpoint":"`+base+`/oauth2/v2.0/token"}`)
		case strings.HasSuffix(r.URL.Path, "/token"):
			_, _ = io.WriteString(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"h.`+base64.RawURLEncoding.EncodeToString(claims)+`.s"}`)
		case strings.HasSuffix(r.URL.Path, "/subscriptions/content"):
			if s.next != "" {
				w.Header().Set("NextPageUri", s.next)
			}
			list := `[{"contentType":"DLP.All","contentId":"a$b","contentUri":"https://` + r.Host + feed + `audit/a$b","contentCreated":"2026-11-23T08:00:00.000Z","contentExpiration":"2026-11-30T08:00:00.000Z"}]`
			if s.list != nil {
				list = s.list(r.Host)
			}
			_, _ = io.WriteString(w, list)
		case strings.HasPrefix(r.URL.Path, feed+"audit/"):
			s.content(w)
		default:
			s.stray++
		}
	}))
	t.Cleanup(s.Close)
	cloud := connectors.PracticeCloud(s.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	cred, err := connectors.NewCredential(cloud, connectors.Auth{Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: "app", Secret: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := activity.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func read(ctx context.Context, c *activity.Client) (activity.Events, error) {
	return c.DLP(ctx, day().Add(-time.Hour), day())
}

func says(body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = io.WriteString(w, body) }
}

const (
	planted = "4929-PLANTED-0001"
	// whole is a record with everything that the schema and real records have,
	// and the planted value wherever content can stand.
	whole = `{"Id":"r1","RecordType":11,"CreationTime":"2026-11-23T07:30:00","Operation":"DLPRuleMatch","Workload":"SharePoint","UserKey":"DlpAgent","UserId":"sam@contoso.example",
		"ObjectId":"https://contoso.sharepoint.com/a.docx","IncidentId":"i1","EvidenceFile":{"FullUrl":"` + planted + `"},"SensitiveInfoDetectionIsIncluded":true,"Unknown":"` + planted + `",
		"SharePointMetaData":{"FilePathUrl":"https://contoso.sharepoint.com/a.docx","FileName":"a.docx","Preview":"` + planted + `"},
		"EndpointMetaData":{"EnforcementMode":4,"DeviceName":"d1","EvidenceFile":"` + planted + `","SensitiveInfoTypeData":[{"SensitiveInfoTypeId":"t2","SensitiveInfoTypeName":"IBAN","Count":"3","Confidence":"75",
			"SensitiveInformationDetectionsInfo":{"DetectedValues":[{"Name":"` + planted + `","Value":"x ` + planted + ` y"}]}}]},
		"PolicyDetails":[{"PolicyId":"p1","PolicyName":"P","Rules":[{"RuleId":"u1","RuleName":"R","Actions":["BlockAccess"],"Severity":"High","RuleMode":"Enable","ConditionsMatched":{
			"SensitiveInformation":[{"SensitiveType":"t1","SensitiveInformationTypeName":"Credit Card Number","Count":12,"UniqueCount":7,"Confidence":85,"Location":"` + planted + `",
				"SensitiveInformationDetections":{"DetectedValues":[{"Name":"` + planted + `","Value":"before ` + planted + ` after"}],"ResultsTruncated":false},
				"SensitiveInformationDetailedClassificationAttributes":[{"Confidence":85,"Count":12,"IsMatch":true,"Sample":"` + planted + `"}]}],
			"DocumentProperties":[{"Name":"Department","Value":"` + planted + `"}],"OtherConditions":[{"Name":"ContentContainsWords","Value":"` + planted + `"}]}}]}]}`
)

func ptr(n int64) *int64 { return &n }

// What policies matched never leaves the connector: not in a record, not in an
// error, however the service dresses it.
func TestMatchedContentNeverLeaves(t *testing.T) {
	_, c := answering(t, says("["+whole+"]"))
	got, err := read(t.Context(), c)
	if err != nil || len(got.Records) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	want := activity.Record{
		ID: "r1", Type: 11, At: time.Date(2026, 11, 23, 7, 30, 0, 0, time.UTC), Operation: activity.RuleMatch, Workload: "SharePoint", User: "sam@contoso.example",
		Object: "https://contoso.sharepoint.com/a.docx", Incident: "i1", File: &activity.File{URL: "https://contoso.sharepoint.com/a.docx", Name: "a.docx"},
		Endpoint: &activity.Endpoint{Device: "d1", Mode: "block", Types: []activity.SensitiveType{{ID: "t2", Name: "IBAN", Count: ptr(3), Confidence: ptr(75)}}},
		Policies: []activity.Policy{{ID: "p1", Name: "P", Rules: []activity.Rule{{
			ID: "u1", Name: "R", Actions: []string{"BlockAccess"}, Severity: "High", Mode: "Enable", Conditions: []string{"ContentContainsWords"}, Properties: []string{"Department"},
			Types: []activity.SensitiveType{{ID: "t1", Name: "Credit Card Number", Count: ptr(12), Unique: ptr(7), Confidence: ptr(85)}},
		}}}},
	}
	if diff := cmp.Diff(want, got.Records[0]); diff != "" {
		t.Error(diff)
	}
	hidden(t, "a record", got, err)

	for name, content := range map[string]func(http.ResponseWriter){
		"not JSON":       func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/plain"); says(planted)(w) },
		"a page":         func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/html"); says("<p>" + planted)(w) },
		"broken JSON":    says(`[{"Id":"` + planted + `"`),
		"doubled keys":   says(`[{"` + planted + `":1,"` + planted + `":2}]`),
		"another shape":  says(`{"` + planted + `":"` + planted + `"}`),
		"a text":         says(`"` + planted + `"`),
		"an error as OK": says(`{"error":{"code":"` + planted + `","message":"` + planted + `"}}`),
		"an error": func(w http.ResponseWriter) {
			w.WriteHeader(500)
			says(`{"error":{"code":"AF50000","message":"` + planted + `"}}`)(w)
		},
		"another error": func(w http.ResponseWriter) {
			w.WriteHeader(400)
			says(`{"error":{"code":"` + planted + `","message":"x","innererror":{"code":"` + planted + `","request-id":"` + planted + `"}}}`)(w)
		},
		"an error page": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(502)
			says("<p>" + planted)(w)
		},
		"headers": func(w http.ResponseWriter) {
			w.Header().Set("Request-Id", planted)
			w.Header().Set("Content-Encoding", planted)
			w.WriteHeader(403)
			says(planted)(w)
		},
		"cut off": func(w http.ResponseWriter) { w.Header().Set("Content-Length", "999"); says(planted)(w) },
	} {
		_, c := answering(t, content)
		got, err := read(t.Context(), c)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		hidden(t, name, got, err)
	}

	// A record that cannot be read is counted and not shown.
	for name, record := range map[string]string{
		"a list for a text": strings.Replace(whole, `"Id":"r1"`, `"Id":["`+planted+`"]`, 1),
		"no time":           strings.Replace(whole, `2026-11-23T07:30:00`, planted, 1),
		"no id":             strings.Replace(whole, `"Id":"r1",`, ``, 1),
		"no object":         `"` + planted + `"`,
		"policies no list":  strings.Replace(whole, `"PolicyDetails":[`, `"PolicyDetails":"`+planted+`","Other":[`, 1),
	} {
		_, c := answering(t, says("["+record+","+strings.Replace(whole, `"r1"`, `"r2"`, 1)+"]"))
		got, err := read(t.Context(), c)
		if err != nil || got.Unreadable != 1 || len(got.Records) != 1 || got.Records[0].ID != "r2" {
			t.Errorf("%s: %d records, %d unreadable, %v", name, len(got.Records), got.Unreadable, err)
		}
		hidden(t, name, got, err)
	}
}

// hidden fails the test if the planted value is in what was answered, in any
// form in which it could be shown.
func hidden(t *testing.T, name string, got activity.Events, err error) {
	t.Helper()
	raw, _ := json.Marshal(got)
	for _, shown := range []string{string(raw), fmt.Sprintf("%+v %#v", got, got), fmt.Sprintf("%v %+v %#v", err, err, err)} {
		if strings.Contains(shown, "PLANTED") || strings.Contains(shown, "4929") {
			t.Errorf("%s: the matched value is shown: %s", name, shown)
		}
	}
}

// The token goes to the API alone.
func TestContentElsewhereIsNotAskedFor(t *testing.T) {
	other := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked elsewhere") }))
	defer other.Close()
	for name, address := range map[string]string{
		"another host": other.URL + feed + "audit/a$b", "plain": "http://HOST" + feed + "audit/a$b", "a user": "https://x@HOST" + feed + "audit/a$b",
		"another port": "https://HOST1" + feed + "audit/a$b", "no address": "audit/a$b", "a way up": "https://HOST" + feed + "x/../audit/a$b",
	} {
		s, c := answering(t, says("[]"))
		s.list = func(host string) string {
			return `[{"contentId":"a$b","contentUri":"` + strings.Replace(address, "HOST", host, 1) + `","contentCreated":"2026-11-23T08:00:00.000Z"}]`
		}
		if _, err := read(t.Context(), c); code(err) != connectors.Refused || !strings.Contains(err.Error(), "lie elsewhere") {
			t.Errorf("%s: %v; want refused", name, err)
		}
	}
	for name, next := range map[string]string{"another host": other.URL + feed + "subscriptions/content", "no address": ":"} {
		s, c := answering(t, says("[]"))
		s.next = next
		if _, err := read(t.Context(), c); code(err) != connectors.Refused || !strings.Contains(err.Error(), "the next page lies elsewhere") {
			t.Errorf("%s: %v; want refused", name, err)
		}
	}
	s, c := answering(t, says("[]"))
	s.next = s.URL + feed + "subscriptions/content?nextPage=1"
	if _, err := read(t.Context(), c); code(err) != connectors.Failed || !strings.Contains(err.Error(), "circle") {
		t.Errorf("%v; want a circle", err)
	}
}

// What the page and a real record show is read.
func TestDocumentedAnswersAreRead(t *testing.T) {
	sample := func(name string) string {
		raw, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	s, c := answering(t, says("["+sample("o365_dlp_exchange_partial.json")+"]"))
	s.list = func(host string) string {
		return strings.Replace(sample("o365mgmt_3_response.json"), "https://manage.office.com/api/v1.0/f28ab78a-d401-4060-8012-736e373933eb", "https://"+host+"/api/v1.0/"+practice.ContosoTenantID, 1)
	}
	got, err := read(t.Context(), c)
	if err != nil || len(got.Records) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	r := got.Records[0]
	if r.Incident != "3d3db700-9bea-643b-3000-08d99e4c1d8b" || r.User != "" || r.Type != 13 || r.At.Format(time.DateTime) != "2021-11-02 21:52:10" ||
		r.Policies[0].Name != "Email X-Header Tagging" || strings.Join(r.Policies[0].Rules[0].Actions, " ") != "ExSetHeader ExModifySubject" || r.Policies[0].Rules[0].Conditions[0] != "SensitivityLabels" {
		t.Errorf("%+v", r)
	}

	_, c = answering(t, says(strings.ReplaceAll(sample("o365mgmt_5_response.json"), "41463f53-8812-40f4-890f-865bf6e35190", practice.ContosoTenantID))) // records that are no DLP
	if got, err = read(t.Context(), c); err != nil || len(got.Records) != 3 || got.Records[2].Operation != "Add User." {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestExceptionsInEveryForm(t *testing.T) {
	want := activity.Exception{Reason: "Override", FalsePositive: true, Justification: "the client asked", Rules: []string{"u1"}}
	object := `{"Reason":"Override","FalsePositive":true,"Justification":"the client asked","Rules":["u1"]}`
	quoted, _ := json.Marshal(object)
	for form, is := range map[string]*activity.Exception{
		object: &want, string(quoted): &want, `{"Reason":"Override","FalsePositive":"true","Justification":"the client asked","Rules":"u1"}`: &want,
		`"the client asked"`: {Justification: "the client asked"}, `null`: nil, `""`: nil, `{}`: nil,
	} {
		_, c := answering(t, says(`[{"Id":"r1","CreationTime":"2026-11-23T07:30:00Z","Operation":"DlpRuleUndo","ExceptionInfo":`+form+`}]`))
		got, err := read(t.Context(), c)
		if err != nil || len(got.Records) != 1 {
			t.Fatalf("%s: %+v, %v", form, got, err)
		}
		if diff := cmp.Diff(is, got.Records[0].Exception); diff != "" {
			t.Errorf("%s: %s", form, diff)
		}
	}
}

// A content that ended between the list and its reading is no error.
func TestContentThatIsGoneIsCounted(t *testing.T) {
	_, c := answering(t, func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusBadRequest)
		says(`{"error":{"code":"AF20051","message":"Content requested with the key a$b has already expired."}}`)(w)
	})
	if got, err := read(t.Context(), c); err != nil || got.Unreadable != 1 || len(got.Records) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// An event of another tenant, one whose date JSON has no form for, and one that is
// endless are no events; a number that is endless is cut.
func TestWhatIsNoEventOfTheTenantIsLeftOut(t *testing.T) {
	odd := map[string]string{"late": "9999-12-31T23:59:59-01:00", "early": "0000-01-01T00:00:00+01:00"}
	event := func(id, more string) string {
		at, is := odd[id]
		if !is {
			at = "2026-11-23T07:30:00"
		}
		return `{"Id":"` + id + `","CreationTime":"` + at + `","Operation":"DlpRuleMatch"` + more + `}`
	}
	many := `,"EndpointMetaData":{"SensitiveInfoTypeData":[{}` + strings.Repeat(`,{}`, 100_000) + `]}`
	_, c := answering(t, says(`[`+strings.Join([]string{
		event("ours", `,"OrganizationId":"`+strings.ToUpper(practice.ContosoTenantID)+`"`),
		event("theirs", `,"OrganizationId":"00000000-1111-2222-3333-444444444444"`),
		event("late", ""),
		event("early", ""),
		event("endless", many),
		event("long", `,"ClientIP":`+strings.Repeat("1", 1<<20)),
	}, ",")+`]`))
	got, err := read(t.Context(), c)
	if err != nil || got.Unreadable != 4 || len(got.Records) != 2 {
		t.Fatalf("%d unreadable, %d read (%v)", got.Unreadable, len(got.Records), err)
	}
	for _, r := range got.Records {
		if r.ID == "long" && len(r.IP) > 4096 {
			t.Errorf("an address has %d bytes", len(r.IP))
		}
	}
}
