package mail_test

import (
	"bytes"
	"encoding/json"
	"net/mail"
	"strings"
	"testing"

	"stanch/actions"
	shelves "stanch/actions/mail"
	"stanch/actions/shelftest"
	"stanch/connectors/practice"
)

const officer = "dana.officer@contoso.example"

func shelf(c shelftest.Clients) []any {
	return []any{shelves.Shelf{Graph: c.Graph, Evidence: c.Evidence, OwnDomains: []string{practice.ContosoDomain}}}
}

func open(t *testing.T) *shelftest.Desk {
	x := shelftest.Start(t, practice.Options{})
	return x.Open(shelf(x.Full)...)
}

// first is a mail that a person of the company has sent.
func first() practice.Mail { return practice.Contoso(0).Mail[0] }

// params name that mail as evidence of an incident does.
func params(more map[string]any) func(*shelftest.Tenant) any {
	return func(*shelftest.Tenant) any {
		m := first()
		p := map[string]any{"message": map[string]any{
			"id": "m1", "internet_message_id": m.InternetID, "sender": m.From, "recipients": m.To, "alerts": []string{"a1"},
		}}
		for k, v := range more {
			p[k] = v
		}
		return p
	}
}

func quarantine(x *shelftest.Tenant) any {
	x.Call("POST", "/v1.0/users/"+first().Mailbox+"/mailFolders", `{"displayName":"Quarantine","isHidden":true}`)
	return params(map[string]any{"folder": "Quarantine"})(x)
}

func TestMove(t *testing.T) {
	shelftest.Case{
		Action: "mail.move", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/messages/*/move", Params: quarantine, Begun: 1,
	}.Check(t)
}

func TestDelete(t *testing.T) {
	shelftest.Case{
		Action: "mail.delete", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/messages/*/move", Params: params(nil),
	}.Check(t)
}

func TestDeleteToTheRecoverableItems(t *testing.T) {
	shelftest.Case{
		Action: "mail.delete", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/messages/*/move",
		Params: params(map[string]any{"to": "recoverable_items"}), Gone: true,
	}.Check(t)
}

func TestDownload(t *testing.T) {
	shelftest.Case{
		Action: "mail.download", Shelves: shelf, Method: "GET", Path: "/v1.0/users/*/messages/*/$value", Params: params(nil), Always: true, Blind: true, Kept: true,
	}.Check(t)
}

func TestSend(t *testing.T) {
	shelftest.Case{
		Action: "mail.send", Shelves: shelf, Method: "POST", Path: "/v1.0/users/*/sendMail", Always: true,
		Params: func(*shelftest.Tenant) any {
			return map[string]any{"from": officer, "to": []string{"sam.ortiz@contoso.example"}, "subject": "A share", "text": "Please look."}
		},
	}.Check(t)
}

func TestAMailIsFoundByRecordOrItsID(t *testing.T) {
	d := open(t)
	m := first()
	for name, p := range map[string]map[string]any{
		"record by sender":  params(nil)(nil).(map[string]any),
		"record by mailbox": {"message": map[string]any{"id": "x", "internet_message_id": m.InternetID, "mailbox": m.Mailbox, "sender": "eve@evil.example"}},
		"id with mailbox":   {"message": m.InternetID, "mailbox": strings.ToUpper(m.Mailbox)},
	} {
		raw, err := d.Read("mail.get", p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := shelftest.Into[struct {
			Message struct{ Mailbox, Subject, Sender string }
			Copies  []struct {
				Folder      string
				Recipients  []string
				Attachments bool
			}
		}](t, raw)
		if !strings.EqualFold(got.Message.Mailbox, m.Mailbox) || got.Message.Subject != m.Subject || got.Message.Sender != m.From || len(got.Copies) != 1 ||
			got.Copies[0].Folder != "Sent Items" || got.Copies[0].Recipients[0] != m.To[0] || !got.Copies[0].Attachments {
			t.Errorf("%s: %s", name, raw)
		}
	}
}

func TestWhatNamesNoMailIsRefusedWithAReason(t *testing.T) {
	d := open(t)
	m := first()
	for _, c := range []struct {
		params map[string]any
		code   string
		want   string
	}{
		{map[string]any{"message": "hello", "mailbox": m.Mailbox}, "invalid", "no Message-ID"},
		{map[string]any{"message": "", "mailbox": m.Mailbox}, "invalid", "no Message-ID"},
		{map[string]any{"message": m.InternetID}, "invalid", "mailbox is missing"},
		{map[string]any{"message": m.InternetID, "mailbox": "../admin"}, "invalid", "mailbox: "},
		{map[string]any{"message": m.InternetID, "mailbox": "a@b.example/messages"}, "invalid", "mailbox: "},
		{map[string]any{"message": map[string]any{"id": "teams:19:x/1"}}, "invalid", "Teams"},
		{map[string]any{"message": map[string]any{"id": "x", "internet_message_id": m.InternetID, "sender": "eve@evil.example"}}, "invalid", "mailbox is missing"},
		{map[string]any{"message": "<nobody' or 1 eq 1@x>", "mailbox": m.Mailbox}, "invalid", "no Message-ID"},
		{map[string]any{"message": "<o'brien'or'@x.example>", "mailbox": m.Mailbox}, "not_found", "no mail"},
		{map[string]any{"message": m.InternetID, "mailbox": "nobody@contoso.example"}, "not_found", ""},
	} {
		_, err := d.Read("mail.get", c.params)
		if shelftest.Code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.params, err, c.code, c.want)
		}
	}
	for folder, code := range map[string]string{"": "invalid", "a/b": "invalid", "No such folder": "not_found", "x' or '1' eq '1": "not_found"} {
		if r := d.Plan("mail.move", params(map[string]any{"folder": folder})(nil)); shelftest.Code(r.Err) != code {
			t.Errorf("folder %q: %v; want %s", folder, r.Err, code)
		}
	}
	if r := d.Plan("mail.delete", params(map[string]any{"to": "hell"})(nil)); shelftest.Code(r.Err) != "invalid" {
		t.Errorf("delete to hell: %v", r.Err)
	}
}

func TestEveryCopyIsMoved(t *testing.T) {
	d := open(t)
	d.Must("mail.send", map[string]any{"from": officer, "to": []string{officer}, "subject": "To myself", "text": "x"})
	var box struct {
		Value []struct{ InternetMessageID, Subject string }
	}
	if err := json.Unmarshal(d.Tenant.Call("GET", "/v1.0/users/"+officer+"/messages", ""), &box); err != nil {
		t.Fatal(err)
	}
	id := box.Value[0].InternetMessageID
	r := d.Must("mail.move", map[string]any{"message": id, "mailbox": officer, "folder": "archive"})
	if len(r.Effects) != 2 || !strings.Contains(string(r.Output), `"moved":2`) {
		t.Errorf("%d effects, output %s; want both copies", len(r.Effects), r.Output)
	}
	if e := r.Effects[0].Target.Entities; len(e) != 1 || e[0].Kind != "mailbox" || e[0].ID != officer {
		t.Errorf("entities: %+v", e)
	}
}

func TestUndoLeavesAMailThatWasMovedOn(t *testing.T) {
	d := open(t)
	r := d.Must("mail.delete", params(nil)(nil))
	var request struct{ Message string }
	if err := json.Unmarshal(r.Effects[0].Request, &request); err != nil {
		t.Fatal(err)
	}
	d.Tenant.Call("POST", "/v1.0/users/"+first().Mailbox+"/messages/"+request.Message+"/move", `{"destinationId":"archive"}`)
	found, _ := d.Undo(r)
	if len(found) != 1 || found[0].Effect != nil || !found[0].Changed {
		t.Errorf("%+v; want none, for somebody moved it on", found)
	}
}

func TestADownloadedMailIsMIME(t *testing.T) {
	d := open(t)
	r := d.Must("mail.download", params(nil)(nil))
	out := shelftest.Into[struct {
		SHA256 string
		Size   int64
	}](t, r.Output)
	var content bytes.Buffer
	item, err := d.Tenant.Full.Evidence.Get(t.Context(), out.SHA256, "test", &content)
	if err != nil || int64(content.Len()) != out.Size || item.About.Type != "message/rfc822" || item.About.Name != first().Subject {
		t.Fatalf("%+v, %v", item, err)
	}
	read, err := mail.ReadMessage(&content)
	if err != nil || read.Header.Get("Message-ID") != first().InternetID || !strings.HasPrefix(read.Header.Get("Content-Type"), "multipart/mixed") {
		t.Errorf("%v, %v", read, err)
	}
}

func TestAPageIsNoMail(t *testing.T) {
	d := open(t)
	r := d.Plan("mail.download", params(nil)(nil))
	d.Tenant.Break(shelftest.Fault{Method: "GET", Path: "/v1.0/users/*/messages/*/$value", Status: 200, Body: "<html>Sign in</html>", Headers: map[string]string{"Content-Type": "text/html"}, Times: 1})
	if r = d.Perform(r); shelftest.Code(r.Err) != "failed" || r.Statuses() != string(actions.NotDone) {
		t.Errorf("%v, %s", r.Err, r.Statuses())
	}
	if items, err := d.Tenant.Full.Evidence.List(t.Context(), "test"); err != nil || len(items) != 0 {
		t.Errorf("kept: %+v, %v", items, err)
	}
}

func TestWhatIsSentIsPlainTextForThoseWhoMayGetIt(t *testing.T) {
	d := open(t)
	hostile := `<script>alert(1)</script> <img src=x onerror=y> &lt; https://evil.example/"onclick`
	d.Must("mail.send", map[string]any{
		"from": officer, "to": []string{officer}, "subject": "Line\r\nBcc: eve@evil.example", "text": hostile, "facts": map[string]string{"<b>": hostile}, "link": "https://security.microsoft.com/incidents/1?a=1&b=2",
	})
	var box struct {
		Value []struct {
			Subject string
			Body    struct{ ContentType, Content string }
		}
	}
	if err := json.Unmarshal(d.Tenant.Call("GET", "/v1.0/users/"+officer+"/messages?$top=1", ""), &box); err != nil {
		t.Fatal(err)
	}
	got := box.Value[0]
	if got.Body.ContentType != "html" || strings.ContainsAny(got.Subject, "\r\n") {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"<script", "<img", "<b>:", "https://evil", "&lt; https"} {
		if strings.Contains(got.Body.Content, bad) {
			t.Errorf("%q is in it: %s", bad, got.Body.Content)
		}
	}
	if !strings.Contains(got.Body.Content, "&lt;script&gt;") || !strings.Contains(got.Body.Content, `href="https://security.microsoft.com/incidents/1?a=1&amp;b=2"`) {
		t.Errorf("content: %s", got.Body.Content)
	}
}

func TestSendRefuses(t *testing.T) {
	d := open(t)
	many := []string{}
	for n := range 21 {
		many = append(many, strings.Repeat("a", n+1)+"@contoso.example")
	}
	for _, c := range []struct {
		change     map[string]any
		code, want string
	}{
		{map[string]any{"from": "nobody"}, "invalid", "from: "},
		{map[string]any{"to": []string{}}, "invalid", "to is empty"},
		{map[string]any{"to": many}, "limit", "21 addresses"},
		{map[string]any{"to": []string{"kim@fabrikam.example"}}, "refused", "own domains"},
		{map[string]any{"to": []string{"a@contoso.example,b@contoso.example"}}, "invalid", "no address"},
		{map[string]any{"to": []string{"Ann <ann@contoso.example>"}}, "invalid", "no address"},
		{map[string]any{"cc": []string{"SAM.ortiz@contoso.example"}}, "invalid", "twice"},
		{map[string]any{"subject": " "}, "invalid", "subject is empty"},
		{map[string]any{"text": ""}, "invalid", "text is empty"},
		{map[string]any{"link": "javascript:alert(1)"}, "invalid", "link"},
	} {
		p := map[string]any{"from": officer, "to": []string{"sam.ortiz@contoso.example"}, "subject": "s", "text": "t"}
		for k, v := range c.change {
			p[k] = v
		}
		if r := d.Do("mail.send", p); shelftest.Code(r.Err) != c.code || !strings.Contains(r.Err.Error(), c.want) {
			t.Errorf("%v: %v; want %s: %s", c.change, r.Err, c.code, c.want)
		}
	}
	r := d.Must("mail.send", map[string]any{"from": officer, "to": []string{"kim@fabrikam.example"}, "outside": true, "subject": "s", "text": "t"})
	if !strings.Contains(string(r.Output), `"sent":true`) {
		t.Errorf("output: %s", r.Output)
	}
}
