package practice_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"stanch/connectors/practice"
)

const (
	dana  = "dana.officer@contoso.example"
	petra = "petra.novak@contoso.example"
)

// deliver lets somebody send a mail and answers its Message-ID, or what is wrong
// with it.
func (c *client) deliver(status int, mail string) string {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), "POST", c.s.PlainURL+"/practice/mail", strings.NewReader(mail))
	if err != nil {
		c.t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	var out struct {
		ID    string `json:"internetMessageId"`
		Error struct{ Message string }
	}
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != status {
		c.t.Fatalf("%s: %d, %+v, %v", mail, res.StatusCode, out, err)
	}
	return out.ID + out.Error.Message
}

// about are the messages of a mailbox whose subject holds a text.
func (c *client) about(box, text, selects string, header ...string) []map[string]any {
	c.t.Helper()
	return c.do(200, "GET", "/v1.0/users/"+box+"/messages"+query("$filter", "receivedDateTime ge 2026-11-23T00:00:00Z and (contains(subject,'"+text+"'))")+"&$select="+selects, "", header...).list()
}

// ask sends Petra a question from Dana's mailbox.
func (c *client) ask() (id string) {
	c.t.Helper()
	c.do(202, "POST", "/v1.0/users/"+dana+"/sendMail", `{"message":{"subject":"[T0K] Well?","body":{"contentType":"HTML","content":"<p>Keep &lt;it&gt;?</p>"},"toRecipients":[{"emailAddress":{"address":"`+petra+`"}}]}}`)
	return c.about(petra, "t0k", "internetMessageId")[0]["internetMessageId"].(string)
}

func TestAReplyIsInTheConversationAndSaysWhoSentIt(t *testing.T) {
	clock := newClock()
	c := full(t, practice.Options{Now: clock.Now})
	id := c.ask()
	changes := len(c.audit())
	reply := c.deliver(201, `{"from":"`+petra+`","signed_in":"`+petra+`","to":"`+dana+`","html":true,"body":"<p>Keep<br>it</p>","in_reply_to":"`+id+`"}`)
	c.deliver(201, `{"from":"`+petra+`","to":"`+dana+`","body":"drop it","in_reply_to":"`+reply+`","headers":{"x-ms-exchange-organization-authas":"Internal","X-Mailer":"x"}}`)
	c.deliver(201, `{"from":"`+petra+`","signed_in":"sam.ortiz@contoso.example","to":"`+dana+`","subject":"T0K","body":"drop it"}`)
	if n := len(c.audit()); n != changes {
		t.Errorf("%d changes in the audit, want %d: people are no apps", n, changes)
	}
	all := c.about(dana, "T0K", "id,from,sender,subject,conversationId,internetMessageHeaders,uniqueBody,body", "Prefer", `IdType="ImmutableId", outlook.body-content-type="text"`)
	if len(all) != 4 {
		t.Fatalf("%d messages", len(all))
	}
	byBody := map[string]map[string]any{}
	for _, m := range all {
		byBody[at(m, "uniqueBody", "content").(string)] = m
	}
	question, kept, forged, other := byBody["Keep <it>?\r\n"], byBody["Keep\r\nit\r\n"], byBody["drop it"], all[0]
	for _, m := range all {
		if m["subject"] == "T0K" {
			other = m
		} else if at(m, "uniqueBody", "content") == "drop it" {
			forged = m
		}
	}
	if question == nil || kept == nil {
		t.Fatalf("%v", all)
	}
	if kept["subject"] != "Re: [T0K] Well?" || kept["conversationId"] != question["conversationId"] || forged["conversationId"] != question["conversationId"] || other["conversationId"] == question["conversationId"] {
		t.Errorf("%v\n%v\n%v\n%v", question, kept, forged, other)
	}
	if text := at(kept, "body", "content").(string); !strings.HasPrefix(text, "Keep\r\nit\r\n") || !strings.Contains(text, "From: "+dana) || !strings.Contains(text, "Keep <it>?") {
		t.Errorf("body %q", text)
	}
	if question["internetMessageHeaders"] != nil {
		t.Errorf("what was sent has %v", question["internetMessageHeaders"])
	}
	for _, x := range []struct {
		m      map[string]any
		as     string
		sender string
	}{{kept, "Internal", petra}, {forged, "Anonymous", petra}, {other, "Internal", "sam.ortiz@contoso.example"}} {
		var as []string
		for _, h := range x.m["internetMessageHeaders"].([]any) {
			if strings.EqualFold(at(h.(map[string]any), "name").(string), "X-MS-Exchange-Organization-AuthAs") {
				as = append(as, at(h.(map[string]any), "value").(string))
			}
		}
		if strings.Join(as, ",") != x.as || at(x.m, "sender", "emailAddress", "address") != x.sender || at(x.m, "from", "emailAddress", "address") != petra {
			t.Errorf("%v: %v", as, x.m)
		}
	}
	one := c.do(200, "GET", "/v1.0/users/"+dana+"/messages/"+kept["id"].(string), "", "Prefer", `outlook.body-content-type="text"`)
	if one.header.Get("Preference-Applied") != `outlook.body-content-type="text"` || one.body["uniqueBody"] != nil || one.body["internetMessageHeaders"] != nil || at(one.body, "body", "contentType") != "text" {
		t.Errorf("%v: %s", one.header, one.raw)
	}
	if html := c.do(200, "GET", "/v1.0/users/"+dana+"/messages/"+kept["id"].(string)+"?$select=uniqueBody", ""); at(html.body, "uniqueBody", "content") != "<p>Keep<br>it</p>" {
		t.Errorf("%s", html.raw)
	}
	if in := c.do(200, "GET", "/v1.0/users/"+dana+"/messages"+query("$filter", "conversationId eq '"+kept["conversationId"].(string)+"'"), "").list(); len(in) != 3 {
		t.Errorf("%d messages in the conversation", len(in))
	}
}

func TestFiltersAndMailsThatAreRefused(t *testing.T) {
	c := full(t, practice.Options{})
	for _, filter := range []string{
		"contains(subject,T0K)", "contains(subject)", "contains(subject,'x'", "contains(body,'x')", "contains('subject','x')", "contains(receivedDateTime,'x')", "contains",
	} {
		c.do(400, "GET", "/v1.0/users/"+dana+"/messages"+query("$filter", filter), "")
	}
	c.do(400, "GET", "/v1.0/users"+query("$filter", "contains(displayName,'x')"), "")
	for mail, want := range map[string]string{
		`{`:                         "expected {from",
		`{"frm":"x"}`:               "unknown field",
		`{"from":"Ann <a@b.c>"}`:    "no address",
		`{"from":"a@b.c","to":"x"}`: "no mailbox of the company",
		`{"from":"a@b.c","to":"` + dana + `","signed_in":"kim.abercrombie@fabrikam.example"}`: "signed_in",
		`{"from":"a@b.c","to":"` + dana + `","in_reply_to":"<x>"}`:                            "no mail of the company",
	} {
		if got := c.deliver(400, mail); !strings.Contains(got, want) {
			t.Errorf("%s: %s; want %s", mail, got, want)
		}
	}
}

// What people have sent is gone after a reset.
func TestAResetForgetsWhatPeopleSent(t *testing.T) {
	c := full(t, practice.Options{})
	before := c.state()
	c.deliver(201, `{"from":"a@b.example","to":"`+dana+`","subject":"x","body":"y"}`)
	if c.state() == before {
		t.Error("the mail is not there")
	}
	if err := c.s.Tenant.Reset(); err != nil || c.state() != before {
		t.Errorf("it is still there: %v", err)
	}
}
