// Package incident holds the vendor-neutral model of a data-loss incident, its
// alerts and its evidence, and the mappings from what the vendors' APIs send.
//
// Expression types, documentation and the JSON schema are read from these Go
// types: the json tag names a field, a pointer with omitempty is optional, a
// list is never nil and is written as [], a type with a Values method is an
// enum whose unknown values are kept, and the doc tag explains the field.
// Which wire field feeds which field of the model, and what the wire leaves
// open, stands in MAPPING.md.
//
// Incident content is written by attackers. This package treats it as data:
// it opens nothing, resolves nothing and asks nobody. It knows nothing of
// playbooks, actions, runs or HTTP.
package incident

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrID is returned by ParseID for a text that is no incident id.
var ErrID = errors.New("not an incident id")

// Incident is one incident as its source showed it at one moment.
type Incident struct {
	ID             string          `json:"id" doc:"our id, which names the source: defender/1234 or sentinel/<workspace>/<guid>"`
	Source         Source          `json:"source" doc:"the product that reported the incident"`
	Title          string          `json:"title" doc:"name of the incident, as shown in the portal"`
	Description    *string         `json:"description,omitempty" doc:"what happened, in the words of the source"`
	Severity       Severity        `json:"severity" doc:"highest impact; unknown when the source gives none"`
	Status         Status          `json:"status" doc:"where the work on the incident stands; unknown when the source gives none"`
	Classification Classification  `json:"classification" doc:"verdict of the analyst; unknown until there is one"`
	Determination  Determination   `json:"determination" doc:"reason of the classification; unknown until there is one"`
	AssignedTo     *string         `json:"assigned_to,omitempty" doc:"owner of the incident, free text, usually a user principal name; absent when nobody is"`
	Tags           []string        `json:"tags" doc:"tags set by people and by Stanch, in the order of the source"`
	SystemTags     []string        `json:"system_tags" doc:"tags set by the source, not writable"`
	ServiceSources []ServiceSource `json:"service_sources" doc:"products whose alerts the incident joins, sorted; the unknown is left out"`
	Policies       []string        `json:"policies" doc:"names of the DLP policies that matched, sorted, as far as the alerts tell"`
	CreatedAt      time.Time       `json:"created_at" doc:"when the incident was opened; year 1 when the source gives no date at all"`
	UpdatedAt      time.Time       `json:"updated_at" doc:"when the incident last changed; year 1 when the source gives no date at all"`
	URL            *string         `json:"url,omitempty" doc:"page of the incident in the source's portal"`
	Comments       []Comment       `json:"comments" doc:"comments on the incident, in the order of the source"`
	Alerts         []Alert         `json:"alerts" doc:"alerts of the incident, oldest first"`
	Evidence       Evidence        `json:"evidence" doc:"what the alerts are about, each item once"`
	RedirectedTo   *string         `json:"redirected_to,omitempty" doc:"id of the incident that this one was merged into"`
	Conflicts      []Conflict      `json:"conflicts" doc:"what the source said twice and differently about one thing at one time"`
}

// Alert is one detection inside an incident.
type Alert struct {
	ID              string          `json:"id" doc:"id of the alert at its source"`
	ProviderID      *string         `json:"provider_id,omitempty" doc:"id of the alert in the product that detected it; for DLP the Purview alert id"`
	Title           string          `json:"title" doc:"name of the alert"`
	Description     *string         `json:"description,omitempty" doc:"what was detected, in the words of the source"`
	Category        *string         `json:"category,omitempty" doc:"attack category, such as Exfiltration"`
	ServiceSource   ServiceSource   `json:"service_source" doc:"product that raised the alert"`
	DetectionSource DetectionSource `json:"detection_source" doc:"technology that detected it"`
	Severity        Severity        `json:"severity" doc:"impact; unknown when the source gives none"`
	Status          AlertStatus     `json:"status" doc:"where the work on the alert stands"`
	Classification  Classification  `json:"classification" doc:"verdict of the analyst; unknown until there is one"`
	Determination   Determination   `json:"determination" doc:"reason of the classification; unknown until there is one"`
	AssignedTo      *string         `json:"assigned_to,omitempty" doc:"owner of the alert"`
	SystemTags      []string        `json:"system_tags" doc:"tags set by the source"`
	Policy          Policy          `json:"policy" doc:"the DLP policy that matched, as far as the alert tells"`
	SensitiveTypes  []SensitiveType `json:"sensitive_types" doc:"sensitive information types found; empty until the alert is enriched"`
	UserActivity    *string         `json:"user_activity,omitempty" doc:"what the user did last, as the log calls it, such as DlpRuleMatch, or DlpRuleUndo for an override; absent until the alert is enriched"`
	CreatedAt       time.Time       `json:"created_at" doc:"when the alert was raised; year 1 when the source gives no date at all"`
	UpdatedAt       time.Time       `json:"updated_at" doc:"when the alert last changed; year 1 when the source gives no date at all"`
	ResolvedAt      *time.Time      `json:"resolved_at,omitempty" doc:"when the alert was resolved"`
	FirstActivityAt *time.Time      `json:"first_activity_at,omitempty" doc:"earliest activity behind the alert"`
	LastActivityAt  *time.Time      `json:"last_activity_at,omitempty" doc:"latest activity behind the alert"`
	URL             *string         `json:"url,omitempty" doc:"page of the alert in the source's portal"`
	MitreTechniques []string        `json:"mitre_techniques" doc:"MITRE ATT&CK technique ids, such as T1567"`
	Comments        []Comment       `json:"comments" doc:"comments on the alert, in the order of the source"`
	Activities      []Activity      `json:"activities" doc:"what was done, oldest first, at most the last 50; empty until the alert is enriched"`
	Overrides       []Override      `json:"overrides" doc:"what people said against the policy, oldest first, at most the last 20; empty until the alert is enriched"`
	Details         *Details        `json:"details,omitempty" doc:"where the fields come from that the source of the alert does not tell; absent until the alert is enriched"`
}

// Policy names the rule of the organisation that an alert saw broken.
type Policy struct {
	ID   *string `json:"id,omitempty" doc:"id of the policy"`
	Name *string `json:"name,omitempty" doc:"name of the policy"`
	Rule *string `json:"rule,omitempty" doc:"name of the rule inside the policy"`
}

// SensitiveType says how often a kind of sensitive content was found. What was
// found is never kept.
type SensitiveType struct {
	ID          *string `json:"id,omitempty" doc:"id of the sensitive information type"`
	Name        string  `json:"name" doc:"its name, such as Credit Card Number; its id where nobody knows it"`
	Count       *int64  `json:"count,omitempty" doc:"number of matches"`
	UniqueCount *int64  `json:"unique_count,omitempty" doc:"number of different matches"`
	Confidence  *int64  `json:"confidence,omitempty" doc:"highest confidence in percent"`
}

// Comment is a remark on an incident or an alert.
type Comment struct {
	Text      string     `json:"text" doc:"the remark"`
	Author    *string    `json:"author,omitempty" doc:"who wrote it, as the source names them"`
	CreatedAt *time.Time `json:"created_at,omitempty" doc:"when it was written"`
}

// Conflict tells that a source said two things about one item at one time, and
// which of them the model holds.
type Conflict struct {
	Kind    string `json:"kind" doc:"what the item is: alert, file, user, device, …"`
	ID      string `json:"id" doc:"id of the item"`
	Field   string `json:"field" doc:"field of the item"`
	Kept    string `json:"kept" doc:"value in the model, cut after 256 characters"`
	Dropped string `json:"dropped" doc:"value left out, cut after 256 characters"`
}

// UnmarshalJSON reads the JSON form of the model. Lists that the text lacks, as
// in the file of an older version, are empty, not nil.
func (i *Incident) UnmarshalJSON(data []byte) error {
	type plain Incident
	if err := json.Unmarshal(data, (*plain)(i)); err != nil {
		return err
	}
	fillLists(i)
	return nil
}

// Source is the product that reported an incident.
type Source string

// Sources of incidents.
const (
	Defender Source = "defender"
	Sentinel Source = "sentinel"
)

// Values lists the known sources.
func (Source) Values() []string { return []string{string(Defender), string(Sentinel)} }

// NewID makes the id of an incident from its source and the id it has there.
func NewID(s Source, native string) string { return string(s) + "/" + native }

// ParseID splits the id of an incident into its source and the id it has
// there: the number of a Defender incident, <workspace>/<guid> of a Sentinel
// one. Its errors wrap ErrID.
func ParseID(id string) (Source, string, error) {
	name, native, cut := strings.Cut(id, "/")
	switch s := Source(name); {
	case !cut || native == "":
		return "", "", fmt.Errorf("%w: %s: want defender/<id> or sentinel/<workspace>/<guid>", ErrID, quote(id))
	case s == Sentinel && !validSentinel(native):
		return "", "", fmt.Errorf("%w: %s: want sentinel/<workspace>/<guid>", ErrID, quote(id))
	case s == Defender || s == Sentinel:
		return s, native, nil
	}
	return "", "", fmt.Errorf("%w: %s: the source %s is not known, want defender or sentinel", ErrID, quote(id), quote(name))
}

func validSentinel(native string) bool {
	workspace, guid, cut := strings.Cut(native, "/")
	return cut && workspace != "" && guid != ""
}
