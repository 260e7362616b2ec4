package activity

import (
	"cmp"
	"encoding/json"
	"strings"

	"stanch/connectors"
)

type wireRecord struct {
	ID        text          `json:"Id"`
	Tenant    text          `json:"OrganizationId"`
	Type      number        `json:"RecordType"`
	At        moment        `json:"CreationTime"`
	Operation text          `json:"Operation"`
	Workload  text          `json:"Workload"`
	UserID    text          `json:"UserId"`
	UserKey   text          `json:"UserKey"`
	Object    text          `json:"ObjectId"`
	IP        text          `json:"ClientIP"`
	Incident  text          `json:"IncidentId"`
	File      *wireFile     `json:"SharePointMetaData"`
	Mail      *wireMail     `json:"ExchangeMetaData"`
	Endpoint  *wireEndpoint `json:"EndpointMetaData"`
	Exception wireException `json:"ExceptionInfo"`
	Policies  []wirePolicy  `json:"PolicyDetails"`
}

type wireFile struct {
	URL        text   `json:"FilePathUrl"`
	Name       text   `json:"FileName"`
	Site       text   `json:"SiteCollectionUrl"`
	UniqueID   text   `json:"UniqueId"`
	From       text   `json:"From"`
	Owner      text   `json:"FileOwner"`
	Modifier   text   `json:"DocumentLastModifier"`
	Sharer     text   `json:"DocumentSharer"`
	External   flag   `json:"IsViewableByExternalUsers"`
	ModifiedAt moment `json:"LastModifiedTime"`
}

type wireMail struct {
	MessageID  text   `json:"MessageID"`
	From       text   `json:"From"`
	To         texts  `json:"To"`
	CC         texts  `json:"CC"`
	BCC        texts  `json:"BCC"`
	Subject    text   `json:"Subject"`
	SentAt     moment `json:"Sent"`
	Recipients number `json:"RecipientCount"`
}

type wireEndpoint struct {
	Device        text       `json:"DeviceName"`
	FileExtension text       `json:"FileExtension"`
	FileType      text       `json:"FileType"`
	Mode          text       `json:"EnforcementMode"`
	Types         []wireType `json:"SensitiveInformation"`
	SeenTypes     []wireType `json:"SensitiveInfoTypeData"` // as records have it, in place of the documented
}

type wirePolicy struct {
	ID    text       `json:"PolicyId"`
	Name  text       `json:"PolicyName"`
	Rules []wireRule `json:"Rules"`
}

type wireRule struct {
	ID         text  `json:"RuleId"`
	Name       text  `json:"RuleName"`
	Actions    texts `json:"Actions"`
	Overridden texts `json:"OverriddenActions"`
	Severity   text  `json:"Severity"`
	Mode       text  `json:"RuleMode"`
	Conditions struct {
		Types      []wireType `json:"SensitiveInformation"`
		Properties names      `json:"DocumentProperties"`
		Other      names      `json:"OtherConditions"`
	} `json:"ConditionsMatched"`
}

// wireType has the names of both forms. What was detected is not among them.
type wireType struct {
	ID         text   `json:"SensitiveType"`
	Name       text   `json:"SensitiveInformationTypeName"`
	SeenID     text   `json:"SensitiveInfoTypeId"`
	SeenName   text   `json:"SensitiveInfoTypeName"`
	Count      number `json:"Count"`
	Unique     number `json:"UniqueCount"`
	Confidence number `json:"Confidence"`
}

// wireException is an object, the JSON of one in a text, or a text: the schema
// says both that it is an object and that it is a text.
type wireException struct{ *Exception }

func (e *wireException) UnmarshalJSON(b []byte) error {
	var w struct {
		Reason        text  `json:"Reason"`
		FalsePositive flag  `json:"FalsePositive"`
		Justification text  `json:"Justification"`
		Rules         texts `json:"Rules"`
	}
	if b[0] != '{' {
		var t text
		if err := t.UnmarshalJSON(b); err != nil {
			return err
		}
		b = []byte(t)
		if t != "" && !strings.HasPrefix(string(t), "{") {
			e.Exception = &Exception{Justification: string(t)}
		}
	}
	if len(b) == 0 || b[0] != '{' {
		return nil
	}
	if json.Unmarshal(b, &w) != nil {
		return errForm
	}
	e.Exception = &Exception{
		Reason: string(w.Reason), FalsePositive: w.FalsePositive.bool != nil && *w.FalsePositive.bool, Justification: string(w.Justification), Rules: w.Rules,
	}
	if e.Reason == "" && !e.FalsePositive && e.Justification == "" {
		e.Exception = nil // as an empty object is
	}
	return nil
}

// mostRecord bounds an event, in bytes of its JSON: without what was matched, one
// has a few thousand.
const mostRecord = 256 << 10

// parse reads an event of a tenant and answers its size in bytes of JSON; 0 is one
// that cannot be read, is too long, or another tenant's. Why is not told.
func parse(raw json.RawMessage, tenant string) (Record, int) {
	var w wireRecord
	if json.Unmarshal(raw, &w) != nil || w.ID == "" || w.At.IsZero() || connectors.IsGUID(string(w.Tenant)) && !strings.EqualFold(string(w.Tenant), tenant) {
		return Record{}, 0
	}
	out := Record{
		ID: string(w.ID), Type: w.Type.value(), At: w.At.Time, Operation: operation(string(w.Operation)), Workload: string(w.Workload),
		Object: string(w.Object), IP: string(w.IP), Incident: string(w.Incident), Exception: w.Exception.Exception,
	}
	if f := w.File; f != nil {
		out.File = &File{
			URL: string(f.URL), Name: string(f.Name), Site: string(f.Site), UniqueID: string(f.UniqueID), From: string(f.From), Owner: string(f.Owner),
			Modifier: string(f.Modifier), Sharer: string(f.Sharer), External: f.External.bool, ModifiedAt: f.ModifiedAt.Time,
		}
	}
	if m := w.Mail; m != nil {
		out.Mail = &Mail{
			MessageID: string(m.MessageID), From: string(m.From), To: m.To, CC: m.CC, BCC: m.BCC, Subject: string(m.Subject),
			SentAt: m.SentAt.Time, Recipients: m.Recipients.value(),
		}
	}
	if d := w.Endpoint; d != nil {
		out.Endpoint = &Endpoint{
			Device: string(d.Device), FileExtension: string(d.FileExtension), FileType: string(d.FileType), Mode: mode(string(d.Mode)),
			Types: types(append(d.Types, d.SeenTypes...)),
		}
	}
	for _, p := range w.Policies {
		out.Policies = append(out.Policies, p.typed())
	}
	out.User = w.user(out)
	kept, err := json.Marshal(out)
	if err != nil || len(kept) > mostRecord {
		return Record{}, 0
	}
	return out, len(kept)
}

// user is who did it: of mail the sender, for the record's own user is empty or
// a number there; of endpoints it may stand in the key.
func (w wireRecord) user(r Record) string {
	people := []string{string(w.UserID)}
	if r.Mail != nil {
		people = []string{r.Mail.From, string(w.UserID)}
	}
	if r.File != nil {
		people = append(people, r.File.From)
	}
	for _, who := range append(people, string(w.UserKey)) {
		if strings.Contains(who, "@") {
			return who
		}
	}
	return ""
}

// operation writes an operation as the schema does: some records call it
// DLPRuleMatch.
func operation(s string) string {
	for _, known := range []string{RuleMatch, RuleUndo, Info} {
		if strings.EqualFold(s, known) {
			return known
		}
	}
	return s
}

// mode is the word for an EnforcementMode.
func mode(s string) Mode {
	words := map[string]Mode{"1": "audit", "2": "warn", "3": "warnAndBypass", "4": "block", "5": "allow"}
	return cmp.Or(words[s], Mode(s))
}

func (p wirePolicy) typed() Policy {
	out := Policy{ID: string(p.ID), Name: string(p.Name)}
	for _, r := range p.Rules {
		out.Rules = append(out.Rules, Rule{
			ID: string(r.ID), Name: string(r.Name), Actions: r.Actions, Overridden: r.Overridden, Severity: string(r.Severity), Mode: string(r.Mode),
			Types: types(r.Conditions.Types), Conditions: r.Conditions.Other, Properties: r.Conditions.Properties,
		})
	}
	return out
}

func types(wire []wireType) []SensitiveType {
	var out []SensitiveType
	for _, w := range wire {
		out = append(out, SensitiveType{
			ID: string(cmp.Or(w.ID, w.SeenID)), Name: string(cmp.Or(w.Name, w.SeenName)),
			Count: w.Count.int64, Unique: w.Unique.int64, Confidence: w.Confidence.int64,
		})
	}
	return out
}
