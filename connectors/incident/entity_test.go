package incident_test

import (
	"errors"
	"testing"

	"stanch/connectors/incident"
)

// What is looked up has the id that evidence of the same thing has.
func TestAThingLookedUpHasTheIDOfEvidence(t *testing.T) {
	in, err := incident.FromGraph([]byte(`{"id":"1","alerts":[{"id":"a","evidence":[
		{"@odata.type":"#microsoft.graph.security.userEvidence","userAccount":{"userPrincipalName":"Petra.Novak@Contoso.example","azureAdUserId":"00000000-0000-0000-0000-00000000000A"}},
		{"@odata.type":"#microsoft.graph.security.deviceEvidence","mdeDeviceId":"A1E3EC1672D6212B7E0B3E0F5DCA7A73C56CD160","deviceDnsName":"wks.contoso.example","healthStatus":"active"},
		{"@odata.type":"#microsoft.graph.security.mailboxEvidence","primaryAddress":"Petra.Novak@Contoso.example","upn":"petra.novak@contoso.example"},
		{"@odata.type":"#microsoft.graph.security.fileEvidence","fileDetails":{"filePath":"https://contoso.sharepoint.com/sites/payroll/Shared Documents/2026","fileName":"Pay & more.xlsx"}}
	]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	user, err := incident.User{UPN: new("petra.novak@contoso.example"), EntraID: new("00000000-0000-0000-0000-00000000000a"), Name: new(" ")}.AsEvidence()
	if err != nil || user.ID != in.Evidence.Users[0].ID || *user.Domain != "contoso.example" || user.Name != nil || user.Alerts == nil || user.Roles == nil {
		t.Errorf("user %+v, %v", user, err)
	}
	device, err := incident.Device{ID: "a1e3ec1672d6212b7e0b3e0f5dca7a73c56cd160", Name: new("wks.contoso.example"), Health: new(incident.DeviceHealthOf("Active"))}.AsEvidence()
	if evidence := in.Evidence.Devices[0]; err != nil || device.ID != evidence.ID || *device.Health != *evidence.Health || device.Users == nil {
		t.Errorf("device %+v, %v", device, err)
	}
	mailbox, err := incident.Mailbox{Address: new("petra.novak@contoso.example"), UPN: new("petra.novak@contoso.example")}.AsEvidence()
	if err != nil || mailbox.ID != in.Evidence.Mailboxes[0].ID {
		t.Errorf("mailbox %+v, %v", mailbox, err)
	}
	file, err := incident.File{URL: new("https://CONTOSO.sharepoint.com/sites/payroll/Shared%20Documents/2026/Pay%20&%20more.xlsx?web=1")}.AsEvidence()
	if evidence := in.Evidence.Files[0]; err != nil || file.ID != evidence.ID || *file.URL != *evidence.URL || *file.Path != *evidence.Path || *file.Site != *evidence.Site || *file.Name != *evidence.Name {
		t.Errorf("file %+v, %v; evidence has %+v", file, err, evidence)
	}
}

// By another name than the surest, a thing has the id that evidence without the
// surest has.
func TestAThingWithoutItsSurestNameHasTheNext(t *testing.T) {
	user, err := incident.User{UPN: new(""), EntraID: new("00000000-0000-0000-0000-00000000000A")}.AsEvidence()
	if err != nil || user.ID != "entra:00000000-0000-0000-0000-00000000000a" {
		t.Errorf("user %+v, %v", user, err)
	}
	device, err := incident.Device{Name: new("WKS")}.AsEvidence()
	if err != nil || device.ID != "name:wks" {
		t.Errorf("device %+v, %v", device, err)
	}
}

func TestAThingWithoutANameIsNone(t *testing.T) {
	_, user := incident.User{Name: new("Petra")}.AsEvidence()
	_, device := incident.Device{}.AsEvidence()
	_, mailbox := incident.Mailbox{Address: new(" ")}.AsEvidence()
	_, file := incident.File{URL: new("https://a@contoso.sharepoint.com/x")}.AsEvidence()
	_, local := incident.File{URL: new(`C:\pay.xlsx`)}.AsEvidence()
	_, climbs := incident.File{URL: new("https://contoso.sharepoint.com/sites/../x")}.AsEvidence()
	for name, err := range map[string]error{"user": user, "device": device, "mailbox": mailbox, "file": file, "local file": local, "file that climbs": climbs} {
		if !errors.Is(err, incident.ErrNameless) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
