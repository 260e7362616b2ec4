package incident

import "time"

// Evidence is what the alerts of an incident are about. An item stands once in
// its list, however many alerts named it; lists are sorted by id.
type Evidence struct {
	Files     []File    `json:"files" doc:"files in SharePoint, OneDrive and on devices"`
	Users     []User    `json:"users" doc:"people and accounts"`
	Devices   []Device  `json:"devices" doc:"computers and phones"`
	Mailboxes []Mailbox `json:"mailboxes" doc:"mailboxes"`
	Messages  []Message `json:"messages" doc:"mail and Teams messages, one per recipient named by the source"`
	Apps      []App     `json:"apps" doc:"cloud applications and OAuth applications"`
	IPs       []IP      `json:"ips" doc:"IP addresses"`
	URLs      []URL     `json:"urls" doc:"web addresses"`
	Processes []Process `json:"processes" doc:"processes on devices"`
	Other     []Other   `json:"other" doc:"evidence without a list of its own, and kinds not known yet"`
}

// File is a file that an alert named.
type File struct {
	ID       string   `json:"id" doc:"stable over polls: the address of a cloud file, device and path of a local one"`
	Name     *string  `json:"name,omitempty" doc:"name with extension"`
	Path     *string  `json:"path,omitempty" doc:"cloud file: path below the site, such as /Shared Documents/pay.xlsx; local file: full path"`
	URL      *string  `json:"url,omitempty" doc:"address of a cloud file"`
	Site     *string  `json:"site,omitempty" doc:"site of a cloud file as path on its host: /sites/payroll, or /personal/x_y for OneDrive"`
	DriveID  *string  `json:"drive_id,omitempty" doc:"id of the drive; absent until the file is looked up"`
	ItemID   *string  `json:"item_id,omitempty" doc:"id of the file in its drive; absent until the file is looked up"`
	Size     *int64   `json:"size,omitempty" doc:"bytes"`
	SHA256   *string  `json:"sha256,omitempty" doc:"SHA-256 of the content, in lower-case hex"`
	Owner    *string  `json:"owner,omitempty" doc:"owner of the file; absent until the file is looked up"`
	Label    *string  `json:"label,omitempty" doc:"sensitivity label; absent until the file is looked up"`
	DeviceID *string  `json:"device_id,omitempty" doc:"id of the device that holds a local file"`
	Alerts   []string `json:"alerts" doc:"ids of the alerts that named the file"`
	Verdict  *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles    []Role   `json:"roles" doc:"parts the file played"`
}

// User is a person or an account that an alert named.
type User struct {
	ID      string   `json:"id" doc:"stable over polls: the folded user principal name, else entra:<object id>, sid:<sid> or account:<domain\\name>"`
	UPN     *string  `json:"upn,omitempty" doc:"user principal name"`
	EntraID *string  `json:"entra_id,omitempty" doc:"object id in Microsoft Entra"`
	Name    *string  `json:"name,omitempty" doc:"display name, else account name"`
	Domain  *string  `json:"domain,omitempty" doc:"domain of the user principal name, else the Windows domain"`
	SID     *string  `json:"sid,omitempty" doc:"Windows security identifier"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named the user"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts the user played"`
}

// Names are those by which a directory knows the user, the surest first.
func (u User) Names() []string {
	names := []string{}
	for _, name := range []*string{u.EntraID, u.UPN, &u.ID} {
		if name != nil {
			names = append(names, *name)
		}
	}
	return names
}

// Device is a computer or a phone that an alert named.
type Device struct {
	ID      string        `json:"id" doc:"stable over polls: the Defender machine id, else entra:<device id> or name:<DNS name>"`
	EntraID *string       `json:"entra_id,omitempty" doc:"device id in Microsoft Entra"`
	Name    *string       `json:"name,omitempty" doc:"DNS name, else host name"`
	OS      *string       `json:"os,omitempty" doc:"operating system, such as Windows11"`
	Health  *DeviceHealth `json:"health,omitempty" doc:"health of the Defender sensor"`
	Risk    *DeviceRisk   `json:"risk,omitempty" doc:"risk as Defender rates it"`
	Users   []string      `json:"users" doc:"ids of the users logged on"`
	Alerts  []string      `json:"alerts" doc:"ids of the alerts that named the device"`
	Verdict *Verdict      `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role        `json:"roles" doc:"parts the device played"`
}

// Mailbox is a mailbox that an alert named.
type Mailbox struct {
	ID      string   `json:"id" doc:"stable over polls: the folded address, else the folded user principal name"`
	Address *string  `json:"address,omitempty" doc:"primary address"`
	UPN     *string  `json:"upn,omitempty" doc:"user principal name of the owner"`
	Name    *string  `json:"name,omitempty" doc:"display name"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named the mailbox"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts the mailbox played"`
}

// Message is a mail or a Teams message that an alert named. Defender reports
// a mail once per recipient, and so does the model: each is a target of its
// own.
type Message struct {
	ID                string     `json:"id" doc:"stable over polls: <message id>/<recipient> of a mail, teams:<thread>/<message> of a Teams message"`
	InternetMessageID *string    `json:"internet_message_id,omitempty" doc:"Message-ID header of a mail"`
	NetworkMessageID  *string    `json:"network_message_id,omitempty" doc:"id of the mail in Exchange"`
	Sender            *string    `json:"sender,omitempty" doc:"address of the From header, else of the envelope"`
	Recipients        []string   `json:"recipients" doc:"addresses of the recipients"`
	Subject           *string    `json:"subject,omitempty" doc:"subject"`
	ReceivedAt        *time.Time `json:"received_at,omitempty" doc:"when it was received"`
	Mailbox           *string    `json:"mailbox,omitempty" doc:"address of the own mailbox it lies in; absent when the source leaves the direction open"`
	Alerts            []string   `json:"alerts" doc:"ids of the alerts that named the message"`
	Verdict           *Verdict   `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles             []Role     `json:"roles" doc:"parts the message played"`
}

// App is a cloud application or an OAuth application that an alert named.
type App struct {
	ID      string   `json:"id" doc:"stable over polls: <application id>/<instance id>"`
	AppID   *string  `json:"app_id,omitempty" doc:"id of the application: a number in Defender for Cloud Apps, a guid in Microsoft Entra"`
	Name    *string  `json:"name,omitempty" doc:"display name"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named the application"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts the application played"`
}

// IP is an IP address that an alert named.
type IP struct {
	ID      string   `json:"id" doc:"stable over polls: the address in canonical form"`
	Address *string  `json:"address,omitempty" doc:"the address in canonical form"`
	Country *string  `json:"country,omitempty" doc:"country as two letters, else its name"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named the address"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts the address played"`
}

// URL is a web address that an alert named.
type URL struct {
	ID      string   `json:"id" doc:"stable over polls: the address, scheme and host in lower case"`
	URL     *string  `json:"url,omitempty" doc:"the address as the source wrote it"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named the address"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts the address played"`
}

// Process is a process on a device that an alert named.
type Process struct {
	ID          string   `json:"id" doc:"stable over polls: <device>/<pid>/<start time>"`
	PID         *int64   `json:"pid,omitempty" doc:"process id on its device"`
	CommandLine *string  `json:"command_line,omitempty" doc:"command line"`
	Image       *string  `json:"image,omitempty" doc:"full path of the executable"`
	DeviceID    *string  `json:"device_id,omitempty" doc:"id of the device it ran on"`
	Alerts      []string `json:"alerts" doc:"ids of the alerts that named the process"`
	Verdict     *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles       []Role   `json:"roles" doc:"parts the process played"`
}

// Other is evidence without a list of its own, kept as the source sent it.
type Other struct {
	ID      string   `json:"id" doc:"stable over polls: <kind>/<hash of the identifying properties>"`
	Kind    string   `json:"kind" doc:"type at the source, such as registryKeyEvidence"`
	Raw     Raw      `json:"raw" doc:"the properties as sent, without open property bags, long texts as {length, sha256}"`
	Alerts  []string `json:"alerts" doc:"ids of the alerts that named it"`
	Verdict *Verdict `json:"verdict,omitempty" doc:"worst verdict among the alerts"`
	Roles   []Role   `json:"roles" doc:"parts it played"`
}
