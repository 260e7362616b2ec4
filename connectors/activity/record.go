package activity

import "time"

// What an event of data loss prevention tells, by Record.Operation.
const (
	RuleMatch = "DlpRuleMatch" // a rule matched
	RuleUndo  = "DlpRuleUndo"  // what a rule did was taken back
	Info      = "DlpInfo"      // somebody called it a false positive
)

// Record is one event of data loss prevention, without what a policy matched in
// the content: neither it nor values of conditions and properties has a place
// here.
//
// Source: learn.microsoft.com/office/office-365-management-api/office-365-management-activity-api-schema#dlp-schema;
// the id of the incident, the user of mail and the types of endpoints as records
// have them.
type Record struct {
	ID        string
	Type      int64     // RecordType
	At        time.Time // UTC
	Operation string    // RuleMatch, RuleUndo, Info, or as the service calls another
	Workload  string    // SharePoint, OneDrive, Exchange, MicrosoftTeams, Endpoint, …
	User      string    // user principal name or address of who did it; empty where the record does not tell
	Object    string
	IP        string
	Incident  string // id that the records of one incident share; empty where the record has none
	File      *File
	Mail      *Mail
	Endpoint  *Endpoint
	Exception *Exception
	Policies  []Policy
}

// File is a document in SharePoint or OneDrive.
type File struct {
	URL      string
	Name     string
	Site     string // address of the site
	UniqueID string // id of the list item
	From     string // who made the event: owner, last modifier or last sharer
	Owner    string
	Modifier string
	Sharer   string
	// External: people outside can open it. Nil where the record does not tell.
	External   *bool
	ModifiedAt time.Time
}

// Mail is a message of Exchange or Teams.
type Mail struct {
	MessageID  string
	From       string
	To         []string
	CC         []string
	BCC        []string
	Subject    string
	SentAt     time.Time
	Recipients int64
}

// Endpoint is a document on a device.
type Endpoint struct {
	Device        string
	FileExtension string
	FileType      string
	Mode          Mode
	Types         []SensitiveType
}

// Mode is what a policy does on a device: audit, warn, warnAndBypass, block,
// allow, or as the service calls another.
type Mode string

// Policy is a policy whose rules were involved.
type Policy struct {
	ID    string
	Name  string
	Rules []Rule
}

// Rule is a rule of a policy.
type Rule struct {
	ID         string
	Name       string
	Actions    []string // what it did
	Overridden []string // what was taken back
	Severity   string
	Mode       string
	Types      []SensitiveType
	// Conditions and Properties are the names of what else matched.
	Conditions []string
	Properties []string
}

// SensitiveType says how often a kind of sensitive content was found; nil where
// the record does not tell.
type SensitiveType struct {
	ID         string
	Name       string // may be empty: see Client.SensitiveTypes
	Count      *int64
	Unique     *int64
	Confidence *int64 // percent
}

// Exception is why a policy no longer applies, or what its user said against it.
type Exception struct {
	Reason        string // Override, Document Change, Policy Change
	FalsePositive bool
	Justification string
	Rules         []string // ids
}
