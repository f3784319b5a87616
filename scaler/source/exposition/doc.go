// Package exposition reads what programs say of themselves in Prometheus' text format, and compares two answers of one program.
//
// It owns the limits on what strangers may cost: bytes, time and memory of one answer, how many are asked at a time, and the bytes that all answers
// of a fleet may have in a second. A tenant is a stranger: its API server may tell too much, too slowly, for ever or nonsense. An answer that is not
// whole and sound is none; nothing is made of a part. What the numbers mean is none of its business.
package exposition
