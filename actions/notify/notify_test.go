package notify_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stanch/actions/notify"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

func shelf(c shelftest.Clients) []any {
	return []any{notify.Shelf{Web: c.Web, Graph: c.Graph}}
}

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

func message(channel string) func(*shelftest.Tenant) any {
	return func(*shelftest.Tenant) any {
		return map[string]any{
			"channel": channel, "title": "A file was shared <!channel>", "text": "[Sign in](https://evil.example)\n<at>Everyone</at>",
			"facts": map[string]string{"User": "<@U1> & {{DATE(x)}}", "File": "a.xlsx"}, "link": "https://security.microsoft.com/incidents/7?tid=a&b=c",
		}
	}
}

func TestTeams(t *testing.T) {
	shelftest.Case{
		Action: "notify.teams", Shelves: shelf, Method: "POST", Path: "/workflows/**", Always: true, Blind: true, Denied: "unauthorized", Params: message("teams"),
	}.Check(t)
}

func TestSlack(t *testing.T) {
	shelftest.Case{
		Action: "notify.slack", Shelves: shelf, Method: "POST", Path: "/services/**", Always: true, Blind: true, Params: message("slack"),
	}.Check(t)
}

func TestWebhook(t *testing.T) {
	shelftest.Case{
		Action: "notify.webhook", Shelves: shelf, Method: "POST", Path: "/webhooks/**", Always: true, Blind: true, Denied: "unauthorized",
		Params: func(*shelftest.Tenant) any {
			return map[string]any{"channel": "webhook", "event": "share.contained", "data": map[string]any{"incident": "defender/7"}}
		},
	}.Check(t)
}

func TestEmail(t *testing.T) {
	shelftest.Case{
		Action: "notify.email", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/sendMail", Always: true, Params: message("email"),
	}.Check(t)
}

func TestWhatArrives(t *testing.T) {
	d := open(t)
	for _, channel := range []string{"teams", "slack"} {
		d.Must("notify."+channel, message(channel)(nil))
	}
	r := d.Must("notify.webhook", map[string]any{"channel": "webhook", "event": "a.b", "data": []int{1}})
	if out := string(r.Output); out != `{"channel":"webhook","sent":true}` {
		t.Errorf("output %s", out)
	}
	var state struct {
		Posts []struct {
			Kind, Channel, ID string
			Body              json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(d.Tenant.State()), &state); err != nil {
		t.Fatal(err)
	}
	if len(state.Posts) != 3 {
		t.Fatalf("%d posts", len(state.Posts))
	}
	slack := string(state.Posts[1].Body)
	for _, bad := range []string{"<!", "<@", "<at"} {
		if strings.Contains(slack, bad) {
			t.Errorf("Slack got %q: %s", bad, slack)
		}
	}
	if hook := state.Posts[2]; hook.ID != r.Effects[0].ID || !strings.Contains(string(hook.Body), `"type": "a.b"`) {
		t.Errorf("the webhook got %+v: %s", hook, hook.Body)
	}
}

// A receiver that knows the id takes a repetition for one.
func TestAWebhookThatIsSentAgainHasTheSameID(t *testing.T) {
	d := open(t)
	r := d.Plan("notify.webhook", map[string]any{"channel": "webhook", "event": "a", "data": 1})
	d.Tenant.Break(shelftest.Fault{Path: "/webhooks/**", Cut: "after", Times: 1})
	if r = d.Perform(r); r.Err != nil || r.Sent != 2 || len(d.Tenant.Changes()) != 1 {
		t.Errorf("sent %d times, %d changes, %v", r.Sent, len(d.Tenant.Changes()), r.Err)
	}
}

func TestMessagesThatAreRefused(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		action string
		with   map[string]any
		want   string
	}{
		{"teams", map[string]any{"channel": "nowhere", "text": "x"}, `channel: there is no channel "nowhere"; the operator's file names email, slack, teams, webhook`},
		{"teams", map[string]any{"channel": "slack", "text": "x"}, "channel: slack is a channel of kind slack; use notify.slack"},
		{"slack", map[string]any{"channel": "https://evil.example/x", "text": "x"}, "there is no channel"},
		{"slack", map[string]any{"channel": "slack", "text": " \n"}, "text is empty"},
		{"email", map[string]any{"channel": "email", "text": ""}, "text is empty"},
		{"email", map[string]any{"channel": "teams", "text": "x"}, "channel: teams is a channel of kind teams; use notify.teams"},
		{"email", map[string]any{"channel": "dana.officer@contoso.example", "text": "x"}, "there is no channel"},
		{"teams", map[string]any{"channel": "teams", "text": "x", "link": "javascript:alert(1)"}, "link: "},
		{"teams", map[string]any{"channel": "teams", "text": "x", "colour": "red"}, `unknown field "colour"`},
		{"webhook", map[string]any{"channel": "webhook", "event": "Not A Name", "data": 1}, "event: Not A Name is no name"},
		{"webhook", map[string]any{"channel": "webhook", "event": "a", "data": strings.Repeat("x", 300<<10)}, "data is larger than 256 KiB"},
	} {
		r := d.Do("notify."+c.action, c.with)
		if shelftest.Code(r.Err) != "invalid" || !strings.Contains(r.Err.Error(), c.want) || shelftest.Unsure(r.Err) && !strings.Contains(c.want, "unknown field") {
			t.Errorf("%s %v: %v; want %s", c.action, c.with["channel"], r.Err, c.want)
		}
	}
	if n := len(d.Tenant.Changes()); n != 0 {
		t.Errorf("%d messages came through", n)
	}
}

// No fault of a channel tells its address, which is a secret.
func TestErrorsDoNotTellTheAddressOfAChannel(t *testing.T) {
	x := shelftest.Start(t, practice.Options{})
	d := x.Open(shelf(x.Full)...)
	secrets := []string{practice.TeamsPath("teams")[len(practice.TeamsPath("teams"))-20:], practice.SlackPath("slack")[len(practice.SlackPath("slack"))-20:], practice.WebhookKey}
	for _, f := range []shelftest.Fault{
		{Status: 500, Body: "we do not know PATH"},
		{Status: 404, Body: "no such thing: PATH"},
		{Status: 302, Headers: map[string]string{"Location": "https://elsewhere.example" + practice.TeamsPath("teams")}},
		{Status: 200, Body: "<html>sign in</html>", Headers: map[string]string{"Content-Type": "text/html"}},
		{Cut: "before"},
	} {
		f.Path = "/**"
		for channel, path := range map[string]string{"teams": practice.TeamsPath("teams"), "slack": practice.SlackPath("slack")} {
			one := f
			if text, is := f.Body.(string); is {
				one.Body = strings.ReplaceAll(text, "PATH", path)
			}
			x.Break(one)
			r := d.Do("notify."+channel, map[string]any{"channel": channel, "text": "x"})
			if r.Err == nil {
				t.Fatalf("%s: no error under %+v", channel, f)
			}
			for _, secret := range secrets {
				if strings.Contains(r.Err.Error(), secret) {
					t.Errorf("the error tells a secret: %v", r.Err)
				}
			}
		}
	}
}
