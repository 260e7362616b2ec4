package loganalytics_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"stanch/connectors"
	"stanch/connectors/loganalytics"
	"stanch/connectors/practice"
	"stanch/connectors/practice/practicetest"
)

func start(t *testing.T, observe func(practice.Exchange)) (*practicetest.Server, *loganalytics.Client) {
	t.Helper()
	s := practicetest.Start(t, practice.Options{Observe: observe})
	cloud := connectors.PracticeCloud(s.URL, s.CAPEM)
	app := practice.ReaderApp()
	cred, err := connectors.NewCredential(cloud, connectors.Auth{
		Kind: connectors.ClientSecret, Tenant: practice.ContosoTenantID, Client: app.ID, Secret: connectors.Secret(app.Secret),
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := loganalytics.New(cloud, cred, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func workspace() string { return practice.LogWorkspaceID(practice.ContosoTenantID) }

// [azure-monitor logs/api/request-format.md]
func TestTheRequestIsAsDocumented(t *testing.T) {
	var mu sync.Mutex
	var bodies []string
	_, c := start(t, func(x practice.Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if x.Route != "" {
			if x.Request.Method != http.MethodPost || x.Request.URL.RequestURI() != "/v1/workspaces/"+workspace()+"/query" || x.Request.Header.Get("Prefer") != "wait=180" {
				t.Errorf("%s %s, Prefer %q", x.Request.Method, x.Request.URL, x.Request.Header.Get("Prefer"))
			}
			bodies = append(bodies, string(x.RequestBody))
		}
	})
	got, err := c.Query(t.Context(), workspace(), "print x = 1", "", 10)
	if err != nil || got.Rows[0]["x"] != int64(1) || got.Columns[0].Type != "long" || got.Truncated {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = c.Query(t.Context(), workspace(), "range x from 1 to 9 step 1", "PT1H", 4); err != nil || len(got.Rows) != 4 || !got.Truncated {
		t.Errorf("%+v, %v", got, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := `{"query":"print x = 1"} {"query":"range x from 1 to 9 step 1","timespan":"PT1H"}`; strings.Join(bodies, " ") != want {
		t.Errorf("sent %v, want %s", bodies, want)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	s, c := start(t, nil)
	for body, want := range map[string]struct {
		code connectors.Code
		says string
	}{
		`"body":{"tables":[{"name":"PrimaryResult","columns":[{"name":"x","type":"long"}],"rows":[[1,2]]}]}`: {connectors.Failed, "2 cells under 1 columns"},
		`"body":{"tables":[{"columns":[{"name":"x","type":"datetime"}],"rows":[["soon"]]}]}`:                 {connectors.Failed, `column "x" is no datetime`},
		`"body":{"tables":7}`: {connectors.Failed, "another shape"},
		`"body":{"tables":[],"error":{"code":"PartialError","message":"There were some errors when processing your query."}}`: {connectors.Limit, "narrow the query"},
	} {
		res, err := http.Post(s.PlainURL+"/practice/faults", "application/json", strings.NewReader(`[{"method":"POST","path":"/v1/workspaces/*/query","status":200,`+body+`}]`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		_, err = c.Query(t.Context(), workspace(), "print 1", "", 10)
		if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != want.code || !strings.Contains(e.Error(), want.says) || e.Unsure() {
			t.Errorf("%s: %v; want %s: %s", body, err, want.code, want.says)
		}
	}
	for _, id := range []string{"", "contoso", "../" + workspace(), workspace() + "x"} {
		_, err := c.Query(t.Context(), id, "print 1", "", 10)
		if e, is := errors.AsType[*connectors.Error](err); !is || e.Code != connectors.Invalid || !strings.Contains(e.Message, "expected a GUID") {
			t.Errorf("%q: %v", id, err)
		}
	}
}
