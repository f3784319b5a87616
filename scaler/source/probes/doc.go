// Package probes asks tenants from outside, as their users reach them: whether they are ready, for a list, for a write that is not kept, and for a
// watch that delivers.
//
// It owns the questions, how often they are asked, and what is known of the whole fleet by them. It has one connection to a tenant while it asks and
// none at rest, writes nothing into a tenant, and never takes silence for health: what is not known is told as that.
package probes
