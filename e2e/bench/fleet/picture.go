package main

import (
	"fmt"
	"math"
	"strings"
)

// Sizes of the picture: two panels beside each other, two rows.
const (
	panelWidth, panelHeight = 360, 220
	edge                    = 48
)

// picture has a panel for each figure with an aim: tenants from left to right by powers of ten, the figure from the bottom up, the aim as a line.
func picture(all []figures) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n"+`<rect width="100%%" height="100%%" fill="white"/>`+"\n", 2*panelWidth, 2*panelHeight)
	for i, one := range measures {
		fmt.Fprintf(&b, `<g transform="translate(%d,%d)">`+"\n%s</g>\n", i%2*panelWidth, i/2*panelHeight, panel(one, all))
	}
	return b.String() + "</svg>\n"
}

func panel(one figure, all []figures) string {
	highest, least, greatest := 1.2*one.aim, math.Log10(float64(all[0].tenants)), math.Log10(float64(all[0].tenants))
	for i := range all {
		highest = max(highest, 1.1*one.of(&all[i]))
		least, greatest = min(least, math.Log10(float64(all[i].tenants))), max(greatest, math.Log10(float64(all[i].tenants)))
	}
	x := func(tenants int) float64 {
		if least == greatest {
			return panelWidth / 2
		}
		return edge + (math.Log10(float64(tenants))-least)/(greatest-least)*(panelWidth-2*edge)
	}
	y := func(value float64) float64 { return panelHeight - edge + 10 - value/highest*(panelHeight-2*edge+20) }
	var b strings.Builder
	fmt.Fprintf(&b, `<text x="%d" y="20" font-size="13">%s</text>`+"\n", edge, one.unit)
	fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#999"/>`+"\n", edge, y(0), panelWidth-edge, y(0))
	fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#c0392b" stroke-dasharray="4 3"/><text x="%d" y="%.1f" fill="#c0392b">aim %g</text>`+"\n", edge, y(one.aim), panelWidth-edge, y(one.aim), panelWidth-edge+4, y(one.aim)+4, one.aim)
	var line []string
	for i := range all {
		px, py := x(all[i].tenants), y(one.of(&all[i]))
		line = append(line, fmt.Sprintf("%.1f,%.1f", px, py))
		fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="#0a7d4f"/><text x="%.1f" y="%.1f" text-anchor="middle">%.3g</text><text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`+"\n", px, py, px, py-8, one.of(&all[i]), px, y(0)+16, all[i].tenants)
	}
	fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#0a7d4f"/><text x="%d" y="%.1f" text-anchor="middle" fill="#555">tenants</text>`+"\n", strings.Join(line, " "), panelWidth/2, y(0)+32)
	return b.String()
}
