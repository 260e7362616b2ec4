package practice

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// Company is what a company file (JSON) describes. Ids that are left out follow
// from names, so that the same file always gives the same ids.
type Company struct {
	TenantID   string `json:"tenant_id"`
	Name       string `json:"name"`
	Domain     string `json:"domain"`
	SharePoint string `json:"sharepoint"`
	// Secrets are those of its Key Vault, by name.
	Secrets         map[string]string `json:"secrets,omitempty"`
	Labels          []Label           `json:"labels"`
	RetentionLabels []RetentionLabel  `json:"retention_labels,omitempty"`
	Users           []User            `json:"users"`
	Groups          []Group           `json:"groups,omitempty"`
	Sites           []Site            `json:"sites,omitempty"`
	OneDrives       []OneDrive        `json:"onedrives,omitempty"`
	Devices         []Device          `json:"devices,omitempty"`
	Mail            []Mail            `json:"mail,omitempty"`
	Apps            []App             `json:"apps"`
	Incidents       []json.RawMessage `json:"incidents,omitempty"`
	Sentinel        *Workspace        `json:"sentinel,omitempty"`
}

// Workspace is the Log Analytics workspace in which Microsoft Sentinel is, with
// the Defender XDR connector on: every incident of the company stands in it,
// too. AutomationRules are bodies as its API answers them; id, type and etag are
// added.
type Workspace struct {
	Subscription    string            `json:"subscription"`
	ResourceGroup   string            `json:"resource_group"`
	Name            string            `json:"name"`
	AutomationRules []json.RawMessage `json:"automation_rules,omitempty"`
}

// Label is a sensitivity label; their order in the file is their priority,
// lowest first.
type Label struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Protected   bool   `json:"protected,omitempty"`
}

// RetentionLabel is a Purview retention label. Behavior is one of doNotRetain,
// retain, retainAsRecord, retainAsRegulatoryRecord.
type RetentionLabel struct {
	Name          string `json:"name"`
	Behavior      string `json:"behavior"`
	DeleteAllowed bool   `json:"delete_allowed,omitempty"`
}

// User is a member or, with Guest, an invited outsider, whose Mail then is the
// outside address.
type User struct {
	ID         string `json:"id,omitempty"`
	UPN        string `json:"upn"`
	Name       string `json:"name"`
	Mail       string `json:"mail,omitempty"`
	Department string `json:"department,omitempty"`
	Title      string `json:"title,omitempty"`
	Manager    string `json:"manager,omitempty"`
	Guest      bool   `json:"guest,omitempty"`
	Disabled   bool   `json:"disabled,omitempty"`
	LeaveDate  string `json:"leave_date,omitempty"`
	// Roles are the directory roles held, such as Global Administrator.
	Roles []string `json:"roles,omitempty"`
	// Synced is a user whose home is an Active Directory.
	Synced bool  `json:"synced,omitempty"`
	Risk   *Risk `json:"risk,omitempty"`
}

// Risk is what Identity Protection thinks of a user, in the words of a
// riskyUser.
type Risk struct {
	State  string `json:"state"`
	Level  string `json:"level"`
	Detail string `json:"detail,omitempty"`
}

// Group is a security group; members are upns, Groups the names of groups that
// are members.
type Group struct {
	ID      string   `json:"id,omitempty"`
	Name    string   `json:"name"`
	Members []string `json:"members"`
	Groups  []string `json:"groups,omitempty"`
}

// Site is a SharePoint site with one library, "Shared Documents". Its groups of
// owners, members and visitors have the files by inheritance.
type Site struct {
	Path    string   `json:"path"`
	Title   string   `json:"title"`
	Folders []Folder `json:"folders,omitempty"`
	Files   []File   `json:"files"`
}

// Folder is a folder that is shared as such: what it holds inherits its shares.
// A locked one, which may be empty, does not inherit itself: besides its shares
// it is open to the owners of the site alone.
type Folder struct {
	Path   string  `json:"path"`
	Shares []Share `json:"shares,omitempty"`
	Locked bool    `json:"locked,omitempty"`
}

// OneDrive is the library of one user.
type OneDrive struct {
	User  string `json:"user"`
	Files []File `json:"files"`
}

// File is a file by its path in the library. Owner is a upn, Label a label's
// name.
type File struct {
	Path      string    `json:"path"`
	Size      int64     `json:"size"`
	Owner     string    `json:"owner"`
	Label     string    `json:"label,omitempty"`
	Retention string    `json:"retention,omitempty"`
	Created   time.Time `json:"created"`
	Modified  time.Time `json:"modified"`
	Shares    []Share   `json:"shares,omitempty"`
}

// Share is one permission of a file. With Link (anonymous, organization,
// users) it is a sharing link, which for users is for the addresses of To;
// without, each address of To has a grant of its own. Role is read or write.
type Share struct {
	Link    string     `json:"link,omitempty"`
	Role    string     `json:"role"`
	To      []string   `json:"to,omitempty"`
	Groups  []string   `json:"groups,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// Device is a machine known to Defender for Endpoint. ID has 40 hex digits.
type Device struct {
	ID         string    `json:"id,omitempty"`
	EntraID    string    `json:"entra_id,omitempty"`
	Name       string    `json:"name"`
	OS         string    `json:"os"`
	Version    string    `json:"version,omitempty"`
	Build      int64     `json:"build,omitempty"`
	Health     string    `json:"health,omitempty"`
	Risk       string    `json:"risk,omitempty"`
	Onboarding string    `json:"onboarding,omitempty"`
	IP         string    `json:"ip,omitempty"`
	ExternalIP string    `json:"external_ip,omitempty"`
	Tags       []string  `json:"tags,omitempty"`
	Users      []string  `json:"users,omitempty"`
	FirstSeen  time.Time `json:"first_seen"`
	LastSeen   time.Time `json:"last_seen"`
}

// Mail is a message in one mailbox.
type Mail struct {
	Mailbox    string    `json:"mailbox"`
	Folder     string    `json:"folder"`
	InternetID string    `json:"internet_message_id"`
	Subject    string    `json:"subject"`
	From       string    `json:"from"`
	To         []string  `json:"to"`
	Body       string    `json:"body"`
	SentAt     time.Time `json:"sent_at"`
}

// App is an app registration: who may ask for tokens, and the application
// roles an administrator has consented to. Azure roles among them, such as
// Microsoft Sentinel Responder, are assigned on the workspace.
type App struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Secret string   `json:"secret"`
	Roles  []string `json:"roles"`
	// Certificates are PEM certificates with RSA keys whose assertions are
	// taken in place of the secret.
	Certificates []string `json:"certificates,omitempty"`
	// Feeds are the content types of the Activity API, such as DLP.All, that the
	// app has been subscribed to from the start.
	Feeds []string `json:"feeds,omitempty"`
	// DirectoryRoles are the roles of the directory that the app holds.
	DirectoryRoles []string `json:"directory_roles,omitempty"`
}

// ParseCompany reads a company file. Unknown keys, trailing text and what
// Company's contract forbids are errors.
func ParseCompany(b []byte) (Company, error) {
	var c Company
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("company file: %s", describe(b, d.InputOffset(), err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, fmt.Errorf("company file: line %d: text after the company; expected the end of the file",
			1+bytes.Count(b[:d.InputOffset()], []byte("\n")))
	}
	return c, nil
}

// describe says where in b a JSON error lies.
func describe(b []byte, at int64, err error) string {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = e.Offset
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		at = e.Offset
	}
	at = min(max(at, 0), int64(len(b)))
	head := b[:at]
	line := 1 + bytes.Count(head, []byte("\n"))
	column := len(head) - bytes.LastIndexByte(head, '\n')
	return fmt.Sprintf("line %d column %d: %v", line, column, err)
}

// guid derives a stable GUID from the parts.
func guid(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	h[6], h[8] = h[6]&0x0f|0x40, h[8]&0x3f|0x80
	x := hex.EncodeToString(h[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// hexID derives a stable id of 40 hex digits, the form of machine ids and
// SHA-1 sums.
func hexID(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:20])
}
