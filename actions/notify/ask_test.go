package notify_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stanch/actions"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const (
	sender  = "dana.officer@contoso.example" // of the channel "email"
	owner   = "petra.novak@contoso.example"
	member  = "samuel.adeyemi@contoso.example" // of the owner's department: the owner is the manager
	chief   = "amara.diallo@contoso.example"   // the owner's manager
	evident = "Payroll November 2026.xlsx"
)

// ask is params of a question, with changes.
func ask(more map[string]any) map[string]any {
	p := map[string]any{"channel": "email", "owner": owner, "file": evident}
	for k, v := range more {
		p[k] = v
	}
	return p
}

func TestAskOwner(t *testing.T) {
	shelftest.Case{
		Action: "notify.ask_owner", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/sendMail", Always: true,
		Params: func(*shelftest.Tenant) any { return ask(nil) },
	}.Check(t)
}

// mail is one in a mailbox, as Graph tells it.
type mail struct {
	InternetMessageID, Subject string
	Body                       struct{ Content string }
	ReceivedDateTime           time.Time
}

// inbox are the mails in a mailbox that came from the channel, the first first.
func inbox(x *shelftest.Tenant, box string) []mail {
	var list struct{ Value []mail }
	raw := x.Call("GET", "/v1.0/users/"+box+"/mailFolders/inbox/messages?$top=100&$filter="+url.QueryEscape("receivedDateTime ge 2020-01-01T00:00:00Z"), "")
	if err := json.Unmarshal(raw, &list); err != nil {
		panic(err)
	}
	slices.Reverse(list.Value)
	return list.Value
}

// say is what a person does with the question: a body of POST /practice/mail.
type say map[string]any

// reply is a reply of a person, signed in, to the first question in their
// mailbox.
func reply(from, text string) say {
	return say{"from": from, "signed_in": from, "body": text, "box": from}
}

func (s say) with(key string, value any) say {
	out := say{}
	for k, v := range s {
		out[k] = v
	}
	out[key] = value
	return out
}

// send sends it.
func (s say) send(x *shelftest.Tenant) {
	body := map[string]any{"to": sender}
	for k, v := range s {
		body[k] = v
	}
	if box, is := body["box"].(string); is {
		body["in_reply_to"] = inbox(x, box)[0].InternetMessageID
		delete(body, "box")
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	x.Control("POST", "mail", string(raw))
}

// after are replies by when they are sent, counted from the question.
type after map[time.Duration][]say

// conversation asks and lets people reply.
func conversation(t *testing.T, params map[string]any, replies after) (*shelftest.Desk, shelftest.Run, answered) {
	t.Helper()
	d := open(t)
	begun := d.Tenant.Now()
	d.Meanwhile = func() {
		for at, list := range replies {
			if d.Tenant.Now().Sub(begun) >= at {
				delete(replies, at)
				for _, s := range list {
					s.send(d.Tenant)
				}
			}
		}
	}
	r := d.Must("notify.ask_owner", params)
	if len(replies) > 0 {
		t.Errorf("nobody was there any more for %v", replies)
	}
	return d, r, shelftest.Into[answered](t, r.Output)
}

type answered struct {
	Answer, Justification, By string
	At                        *time.Time
	Asked                     []string
	Unclear, Ignored          int
}

func (a answered) String() string {
	return fmt.Sprintf("%s by %s of %v, unclear %d, ignored %d: %s", a.Answer, a.By, a.Asked, a.Unclear, a.Ignored, a.Justification)
}

func TestWhatOwnersAnswer(t *testing.T) {
	big := "remove all\n" + strings.Repeat("x", 1<<20)
	for name, c := range map[string]struct {
		params  map[string]any
		replies after
		want    string
		effects string
	}{
		"at once": {
			nil,
			after{0: {reply(owner, "Remove External\n\nIt was for Fabrikam, who are done.\n")}},
			"remove_external by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: It was for Fabrikam, who are done.", "done already_so already_so",
		},
		"after the reminder": {
			nil,
			after{30 * time.Hour: {reply(owner, "keep: the customer needs it")}},
			"keep by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: the customer needs it", "done done already_so",
		},
		"the manager, after the escalation": {
			nil,
			after{50 * time.Hour: {reply(chief, "REMOVE_ALL")}},
			"remove_all by amara.diallo@contoso.example of [petra.novak@contoso.example amara.diallo@contoso.example], unclear 0, ignored 0: ", "done done done",
		},
		"the owner, after the escalation": {
			nil,
			after{50 * time.Hour: {reply(owner, "keep")}},
			"keep by petra.novak@contoso.example of [petra.novak@contoso.example amara.diallo@contoso.example], unclear 0, ignored 0: ", "done done done",
		},
		"the manager before anybody asked: it counts once they are asked": {
			nil,
			after{time.Hour: {reply(chief, "keep").with("box", owner)}},
			"keep by amara.diallo@contoso.example of [petra.novak@contoso.example amara.diallo@contoso.example], unclear 0, ignored 0: ", "done done done",
		},
		"nobody": {
			nil,
			after{},
			"none by  of [petra.novak@contoso.example amara.diallo@contoso.example], unclear 0, ignored 0: ", "done done done",
		},
		"nobody, and only the owner is asked, once": {
			map[string]any{"remind": "0s", "escalate": "0s", "timeout": "8h0m0s"},
			after{},
			"none by  of [petra.novak@contoso.example], unclear 0, ignored 0: ", "done",
		},
		"at the last moment": {
			map[string]any{"timeout": "1h0m0s"},
			after{59*time.Minute + 59*time.Second: {reply(owner, "keep")}},
			"keep by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: ", "done",
		},
		"by HTML": {
			nil,
			after{0: {reply(owner, "<html><head><style>keep</style></head><body><div>&nbsp;</div><p>Remove <b>all</b></p><p>It is &lt;old&gt;.</p></body></html>").with("html", true)}},
			"remove_all by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: It is <old>.", "done already_so already_so",
		},
		"two that contradict: the first counts": {
			nil,
			after{0: {reply(owner, "keep\nplease"), reply(owner, "remove all")}},
			"keep by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: please", "done already_so already_so",
		},
		"unclear ones, then a clear one": {
			nil,
			after{0: {reply(owner, "Who are you?"), reply(owner, "keep, no: remove all")}, time.Hour: {reply(owner, "\n> old\n  Remove   external. \nSorry.\n> keep")}},
			"remove_external by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 2, ignored 0: Sorry.", "done already_so already_so",
		},
		"one of a megabyte": {
			nil,
			after{0: {reply(owner, big)}},
			"remove_all by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 0: " + strings.Repeat("x", 1000) + "…", "done already_so already_so",
		},
		"forged ones count for nothing": {
			map[string]any{"escalate": "0s", "remind": "0s"},
			after{time.Minute: {
				reply(owner, "keep").with("signed_in", ""),
				reply(owner, "keep").with("signed_in", "").with("headers", map[string]string{"X-MS-Exchange-Organization-AuthAs": "Internal", "X-MS-Exchange-CrossTenant-AuthAs": "Internal"}),
				reply(owner, "keep").with("headers", map[string]string{"X-MS-Exchange-Organization-AuthAs": "Internal"}), // two of them: whose is it?
				reply(owner, "keep").with("signed_in", member), // on behalf of the owner
				reply(member, "keep").with("box", owner),
				reply("petra.novak@contoso.example.evil.example", "keep").with("signed_in", "").with("box", owner),
				reply(chief, "keep").with("box", owner),                              // who was not asked
				{"from": owner, "signed_in": owner, "subject": "Hi", "body": "keep"}, // without the token
				{"from": owner, "signed_in": owner, "subject": "[AAAAAAAAAAAA] What is to become of it?", "body": "keep"},
			}},
			"none by  of [petra.novak@contoso.example], unclear 0, ignored 7: ", "done",
		},
		"after a flood of forged ones": {
			map[string]any{"escalate": "0s", "remind": "0s"},
			after{
				time.Minute: slices.Repeat([]say{reply(owner, "keep").with("signed_in", "")}, 30), time.Hour: {reply(owner, "remove all")},
			},
			"remove_all by petra.novak@contoso.example of [petra.novak@contoso.example], unclear 0, ignored 30: ", "done",
		},
		"an owner who left: the manager is asked at once": {
			map[string]any{"owner": "former.employee@contoso.example"},
			after{0: {reply("paul.dubois@contoso.example", "Keep")}},
			"keep by paul.dubois@contoso.example of [paul.dubois@contoso.example], unclear 0, ignored 0: ", "done already_so",
		},
		"an owner of the evidence without manager": {
			map[string]any{"owner": map[string]any{"id": "x", "upn": chief}},
			after{0: {reply(chief, "keep")}},
			"keep by amara.diallo@contoso.example of [amara.diallo@contoso.example], unclear 0, ignored 0: ", "done already_so",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, r, got := conversation(t, ask(c.params), c.replies)
			if got.String() != c.want || r.Statuses() != c.effects {
				t.Errorf("%s\n%s\nwant\n%s\n%s", got, r.Statuses(), c.want, c.effects)
			}
			if (got.At != nil) != (got.Answer != "none") {
				t.Errorf("answered at %v", got.At)
			}
		})
	}
}

// What people get tells the words, and nothing of an attacker's is more than
// text.
func TestTheQuestionAsItArrives(t *testing.T) {
	hostile := "a.xlsx\r\nBcc: eve@evil.example <script>alert(1)</script> https://evil.example/"
	d, _, _ := conversation(t, ask(map[string]any{"file": hostile, "question": "<b>Sign in</b> at https://evil.example"}), after{})
	got := append(inbox(d.Tenant, owner), inbox(d.Tenant, chief)...)
	if len(got) != 3 {
		t.Fatalf("%d mails", len(got))
	}
	token, _, _ := strings.Cut(got[0].Subject, "]")
	for i, m := range got {
		if !strings.HasPrefix(m.Subject, token+"] ") || len(token) != 13 || strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("subject %q", m.Subject)
		}
		for _, want := range []string{"keep: ", "remove external: ", "remove all: ", "within " + []string{"3 days", "2 days", "1 day"}[i]} {
			if !strings.Contains(m.Body.Content, want) {
				t.Errorf("no %q in %s", want, m.Body.Content)
			}
		}
		for _, bad := range []string{"<script", "<b>Sign", "https://evil"} {
			if strings.Contains(m.Body.Content, bad) {
				t.Errorf("%q in %s", bad, m.Body.Content)
			}
		}
	}
	if !strings.Contains(got[1].Subject, "Reminder") || !strings.Contains(got[2].Body.Content, "petra.novak@contoso.example (Petra Novak)") {
		t.Errorf("%s; %s", got[1].Subject, got[2].Body.Content)
	}
}

func TestQuestionsThatAreRefused(t *testing.T) {
	d := open(t)
	for _, c := range []struct {
		change map[string]any
		code   string
		want   string
	}{
		{map[string]any{"channel": "teams"}, "invalid", "channel: teams is a channel of kind teams"},
		{map[string]any{"channel": "nowhere"}, "invalid", "there is no channel"},
		{map[string]any{"file": " "}, "invalid", "file is empty"},
		{map[string]any{"owner": "somebody"}, "invalid", "names no user"},
		{map[string]any{"owner": "nobody@contoso.example"}, "not_found", ""},
		{map[string]any{"owner": "kim.abercrombie_fabrikam.example#EXT#@contoso.example"}, "invalid", "is a guest"},
		{map[string]any{"owner": "former.employee@contoso.example", "escalate": "0s"}, "invalid", "no manager to ask"},
		{map[string]any{"timeout": "721h0m0s"}, "invalid", "timeout is 721h0m0s; expected 1m to 30d"},
		{map[string]any{"timeout": "0s"}, "invalid", "timeout is 0s"},
		{map[string]any{"remind": "1s"}, "invalid", "remind is 1s"},
		{map[string]any{"escalate": "-1h0m0s"}, "invalid", "escalate is -1h0m0s"},
		{map[string]any{"escalate": "72h0m0s"}, "invalid", "escalate is 72h0m0s, when nobody waits any longer: timeout is 72h0m0s"},
		{map[string]any{"remind": "soon"}, "invalid", `"soon" is no duration`},
	} {
		if r := d.Plan("notify.ask_owner", ask(c.change)); shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.change, r.Err, c.code, c.want)
		}
	}
	if n := len(d.Tenant.Changes()); n != 0 {
		t.Errorf("%d changes", n)
	}
}

// A plan shows each mail, to whom and when, and sends none.
func TestThePlanOfAQuestion(t *testing.T) {
	d := open(t)
	r := d.Plan("notify.ask_owner", ask(map[string]any{"remind": "4h0m0s", "escalate": "2h0m0s", "timeout": "6h0m0s"}))
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	want := []string{
		"question to petra.novak@contoso.example about " + evident, "question to amara.diallo@contoso.example about " + evident, "reminder to petra.novak@contoso.example about " + evident,
	}
	var got []string
	for _, e := range r.Effects {
		got = append(got, e.Target.Name)
		var request struct {
			Wait string
			Text string
		}
		if err := json.Unmarshal(e.Request, &request); err != nil || request.Wait != "2h0m0s" || !strings.Contains(request.Text, "remove external") {
			t.Errorf("%v: %s", err, e.Request)
		}
	}
	out := shelftest.Into[answered](t, r.Output)
	if !slices.Equal(got, want) || out.Answer != "none" || len(out.Asked) != 2 {
		t.Errorf("%q, %s", got, out)
	}
	if state := d.State("notify.ask_owner", map[string]any{"owner": owner}); state != `{"owner":"petra.novak@contoso.example","mail":"petra.novak@contoso.example","enabled":true}` {
		t.Errorf("shown: %s", state)
	}
}

// What cannot be looked at for a while is looked at later: nobody is asked twice,
// and no answer is missed.
func TestAMailboxThatCannotBeReadForAWhile(t *testing.T) {
	for _, status := range []int{403, 503} {
		d := open(t)
		r := d.Plan("notify.ask_owner", ask(nil))
		looks := 0
		d.Meanwhile = func() {
			switch looks++; looks {
			case 1:
				reply(owner, "keep").send(d.Tenant)
				d.Tenant.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/users/*/messages", Status: status, Times: 20})
			}
		}
		r = d.Perform(r)
		if out := shelftest.Into[answered](t, r.Output); r.Err != nil || out.Answer != "keep" || r.Statuses() != "done already_so already_so" {
			t.Errorf("%d: %s, %s, %v", status, out, r.Statuses(), r.Err)
		}
	}
}

// A worker that died between the mail and its record finds the mail, waits from
// when it was sent, and asks nobody twice.
func TestAnAskerThatWasLost(t *testing.T) {
	d := open(t)
	r := d.Plan("notify.ask_owner", ask(nil))
	a, _ := d.Catalog.Lookup("notify.ask_owner")
	call := func(id string) actions.Call {
		return actions.Call{Run: "r1", Step: "s", Now: d.Tenant.Now(), Sending: actions.Sending{ID: id, SendBy: time.Now().Add(time.Minute), DoneBy: time.Now().Add(time.Minute)}}
	}
	e := r.Effects[0]
	if found, err := a.Check(t.Context(), call(""), e); err != nil || found.Answer != actions.DidNot {
		t.Fatalf("%+v, %v", found, err)
	}
	out, err := a.Do(t.Context(), call(e.ID), e)
	if err != nil || !out.Pending || out.Again != time.Minute || out.Awaits != "an answer of "+owner || len(out.Handle) == 0 {
		t.Fatalf("%+v, %v", out, err)
	}
	d.Tenant.Advance(4 * time.Hour)
	reply(owner, "Well?").send(d.Tenant)
	for _, handle := range []json.RawMessage{nil, out.Handle} { // it is lost, or not
		e.Handle = handle
		found, err := a.Check(t.Context(), call(""), e)
		if err != nil || found.Answer != actions.Pending || found.Again != 15*time.Minute || found.Awaits != "an answer of "+owner+" (1 reply was none)" {
			t.Errorf("%+v, %v", found, err)
		}
	}
	d.Tenant.Advance(20 * time.Hour)
	if found, err := a.Check(t.Context(), call(""), e); err != nil || found.Answer != actions.Happened || found.Why != "no answer within 1 day" {
		t.Errorf("%+v, %v", found, err)
	}
	// Nobody was there for a week: an answer that lies there is not asked for again.
	reply(owner, "remove all").send(d.Tenant)
	d.Tenant.Advance(7 * 24 * time.Hour)
	if out, err := a.Do(t.Context(), call(r.Effects[1].ID), r.Effects[1]); err != nil || !out.AlreadySo || len(inbox(d.Tenant, owner)) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestMailOfAChannel(t *testing.T) {
	d := open(t)
	r := d.Must("notify.email", message("email")(nil))
	if out := string(r.Output); out != `{"channel":"email","sent":true}` {
		t.Errorf("output %s", out)
	}
	got := inbox(d.Tenant, practice.Contoso(0).Users[0].UPN)
	if len(got) != 0 {
		t.Errorf("others got %v", got)
	}
	got = inbox(d.Tenant, "omar.officer@contoso.example")
	if len(got) != 1 || got[0].Subject != "A file was shared <!channel>" || strings.Contains(got[0].Body.Content, "<at") || !strings.Contains(got[0].Body.Content, "[Sign in](https") {
		t.Errorf("%+v", got)
	}
	d.Must("notify.email", map[string]any{"channel": "email", "text": "First line\nand more"})
	if got := inbox(d.Tenant, "omar.officer@contoso.example"); len(got) != 2 || got[1].Subject != "First line" {
		t.Errorf("%+v", got)
	}
}
