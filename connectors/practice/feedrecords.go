package practice

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Content of the feed: what the alerts of data loss prevention are about, as the
// audit log has it.
//
// [office-365-management-api, office-365-management-activity-api-schema.md, DLP schema]

const (
	// feedDelay is how long after an event its content is there. The API promises
	// no time; most is there within an hour.
	feedDelay = 15 * time.Minute
	// feedSpan is how much time, and feedRecords how many events a content holds
	// at most.
	feedSpan    = 5 * time.Minute
	feedRecords = 20
)

type feedContent struct {
	id      string
	created time.Time
	records []object
}

// feedContents are all contents of a type, the first available first. Those of an
// alert stay what they are whatever else comes.
func (c *call) feedContents(kind string) []feedContent {
	if kind != dlpContent {
		return nil // nothing of the other types is made up
	}
	var out []feedContent
	h := &hunted{w: c.w, seed: c.t.o.Seed}
	for _, a := range h.alertsInOrder() {
		if !a.dlp() {
			continue
		}
		spans := map[time.Time][]object{}
		for _, x := range h.matches(a) {
			span := x.at.Truncate(feedSpan)
			spans[span] = append(spans[span], h.feedEvents(a, x)...)
		}
		for span, records := range spans {
			created := later(span.Add(feedSpan+feedDelay), a.created().Truncate(time.Second))
			for part := range slices.Chunk(records, feedRecords) {
				n := created.Format("20060102150405") + "000"
				out = append(out, feedContent{
					id: n + "$" + n + "$dlp_all$" + hexID(a.id(), textOf(part[0]["Id"]))[:32] + "$04", created: created, records: part,
				})
			}
		}
	}
	slices.SortFunc(out, func(a, b feedContent) int { return cmp.Or(a.created.Compare(b.created), strings.Compare(a.id, b.id)) })
	return out
}

// matches are the activities of an alert in which its policy matched.
func (h *hunted) matches(a *alert) []activity {
	return slices.DeleteFunc(h.planted(a), func(x activity) bool { return x.action != "DlpRuleMatch" })
}

// feedEvents are the events of one match as the feed has them: with what was
// matched, and of SharePoint and OneDrive with another where its user has
// overridden the policy.
func (h *hunted) feedEvents(a *alert, x activity) []object {
	o := deepCopy(x.raw).(object)
	o["Version"], o["Scope"], o["SensitiveInfoDetectionIsIncluded"] = 1, 0, true
	policy := o["PolicyDetails"].([]object)[0]
	rule := policy["Rules"].([]object)[0]
	conditions := object{"ConditionMatchedInNewScheme": true, "OtherConditions": []object{}}
	found := detected(inner(rule, "ConditionsMatched")["SensitiveInformation"].([]object))
	if device, is := o["EndpointMetaData"].(object); is {
		device["SensitiveInfoTypeData"] = endpointTypes(found)
	} else {
		conditions["SensitiveInformation"] = found
	}
	rule = copied(rule, object{"ConditionsMatched": conditions})
	o["PolicyDetails"] = []object{copied(policy, object{"Rules": []object{rule}})}
	said := overrode.FindStringSubmatch(textOf(a.body["description"]))
	if said == nil {
		return []object{o}
	}
	exception := object{"Reason": "Override", "FalsePositive": false, "Justification": said[1], "Rules": []any{rule["RuleId"]}}
	if o["SharePointMetaData"] == nil {
		o["ExceptionInfo"] = exception
		return []object{o}
	}
	undone := copied(rule, object{"OverriddenActions": rule["Actions"], "Actions": []any{}})
	return []object{o, copied(o, object{
		"Id": guid(textOf(o["Id"]), "undo"), "Operation": "DlpRuleUndo", "CreationTime": x.at.Add(time.Minute).Format("2006-01-02T15:04:05"),
		"ExceptionInfo": exception, "PolicyDetails": []object{copied(policy, object{"Rules": []object{undone}})},
	})}
}

// overrode is how an alert of this company says that its user did not heed the
// policy, and why.
var overrode = regexp.MustCompile(`overrode the policy: ([^\n]{1,500})`)

func copied(o, with object) object {
	out := deepCopy(o).(object)
	for k, v := range with {
		out[k] = v
	}
	return out
}

// sensitive is a sensitive information type with something that it matches, as
// made up as everything here.
type sensitive struct{ id, name, value string }

func sensitiveTypes() []sensitive {
	return []sensitive{
		{"50842eb7-edc8-4019-85dd-5a5c1f2bb085", "Credit Card Number", "4111 1111 1111 1111"},
		{"0e9b3178-9678-47dd-a509-37222ca96b42", "EU Debit Card Number", "5018 0000 0009 0000"},
		{"e7dc4711-11b7-4cb0-b88b-2c394a771f0e", "International Banking Account Number (IBAN)", "SE45 5000 0000 0583 9825 7466"},
		{"a44669fe-0d48-453d-a9b1-2cc83f2cba77", "U.S. Social Security Number (SSN)", "078-05-1120"},
		{"419f449f-6d9d-4be1-a154-b531f7a91b41", "EU National Identification Number", "19811228-9874"},
		{"1a8bfb4d-a9b1-4f5c-9b43-1f2d4e5f6071", "Employee ID", "E-004711"},
	}
}

// sensitiveIn is what a policy found in a thing: which types follows from the
// policy, how much from the thing.
func sensitiveIn(policy, thing string) []object {
	all := sensitiveTypes()
	of, in := sha256.Sum256([]byte(policy)), sha256.Sum256([]byte(thing))
	var out []object
	for n := range 1 + int(of[0])%2 {
		s := all[(int(of[1])+n)%len(all)]
		count := 1 + int(binary.BigEndian.Uint16(in[2*n:]))%60
		out = append(out, object{
			"SensitiveType": s.id, "SensitiveInformationTypeName": s.name, "Count": count, "UniqueCount": 1 + count/2,
			"Confidence": []int{75, 85, 95}[binary.BigEndian.Uint16(in[8+2*n:])%3], "ClassifierType": "Content",
		})
	}
	return out
}

// detected adds to types what an event tells of them alone.
func detected(types []object) []object {
	out := []object{}
	for _, t := range types {
		at := slices.IndexFunc(sensitiveTypes(), func(s sensitive) bool { return s.id == t["SensitiveType"] })
		value := sensitiveTypes()[at].value
		out = append(out, copied(t, object{
			"Location": "Message Body",
			"SensitiveInformationDetections": object{
				"DetectedValues": []object{{"Name": value, "Value": "the number is " + value + ", please keep it"}}, "ResultsTruncated": false,
			},
			"SensitiveInformationDetailedClassificationAttributes": []object{{"Confidence": t["Confidence"], "Count": t["Count"], "IsMatch": true}},
		}))
	}
	return out
}

// endpointTypes are types as events of devices have them, in place of the
// documented form (OfficeDev/O365-ActivityFeed-AzureFunction).
func endpointTypes(types []object) []object {
	out := []object{}
	for _, t := range types {
		out = append(out, object{
			"SensitiveInfoTypeId": t["SensitiveType"], "SensitiveInfoTypeName": t["SensitiveInformationTypeName"], "Count": t["Count"],
			"UniqueCount": t["UniqueCount"], "Confidence": t["Confidence"], "ClassifierType": t["ClassifierType"],
			"SensitiveInformationDetailedClassificationAttributes": t["SensitiveInformationDetailedClassificationAttributes"],
			"SensitiveInformationDetectionsInfo":                   t["SensitiveInformationDetections"],
		})
	}
	return out
}

// listSensitiveTypes answers names as the page's sample has them: without spaces.
func listSensitiveTypes(c *call) (reply, error) {
	if f := c.inTenant(); f != nil {
		return reply{}, f
	}
	out := []object{}
	for _, s := range sensitiveTypes() {
		out = append(out, object{"id": s.id, "name": strings.Map(func(r rune) rune {
			if strings.ContainsRune(" .()", r) {
				return -1
			}
			return r
		}, s.name)})
	}
	return ok(out), nil
}

// sharePointData is what an event tells of a document.
func (h *hunted) sharePointData(x activity, t thing) object {
	o := object{
		"From": x.user.UPN, "itemCreationTime": x.at.Format("2006-01-02T15:04:05"), "SiteCollectionGuid": "", "SiteCollectionUrl": "", "FileName": t.name,
		"FileOwner": x.user.Name, "FilePathUrl": t.object, "FileSize": t.size, "DocumentLastModifier": x.user.UPN, "DocumentSharer": x.user.UPN, "UniqueId": "",
		"LastModifiedTime": x.at.Format("2006-01-02T15:04:05"), "IsViewableByExternalUsers": t.action == "SharingSet",
	}
	u, err := url.Parse(t.object)
	if err != nil {
		return o
	}
	for _, s := range h.w.sites {
		rest, is := strings.CutPrefix(u.Path, s.path+"/"+s.drive.library+"/")
		if !is || !strings.EqualFold(u.Host, s.host) {
			continue
		}
		o["SiteCollectionGuid"], o["SiteCollectionUrl"] = strings.Split(s.id, ",")[1], s.url()
		if i := s.drive.root.find(rest); i != nil {
			o["UniqueId"], o["LastModifiedTime"] = i.unique, i.modified.UTC().Format("2006-01-02T15:04:05")
		}
	}
	return o
}

// endpointData is what an event tells of a document on a device.
func (h *hunted) endpointData(t thing) object {
	o := object{"DeviceName": "", "EnforcementMode": "1", "FileExtension": strings.TrimPrefix(path.Ext(t.name), "."), "FileType": strings.ToUpper(strings.TrimPrefix(path.Ext(t.name), "."))}
	if m := h.w.machines[t.device]; m != nil {
		o["DeviceName"] = m.Name
	}
	return o
}
