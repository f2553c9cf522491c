/** The style sheet of the status page: one file of its own, so that the page needs no styles of its own. */

export const STYLE = `:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --text: #1a2027; --soft: #5b6672; --line: #dde2e8;
  --good: #14713d; --good-back: #d9f2e3; --bad: #a61b1b; --bad-back: #fbdedd; --warn: #8a5200;
  --stored: #2f6fb5; --held: #d99a1c; --rejected: #c2352f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12161b; --card: #1b2128; --text: #e6eaef; --soft: #9aa6b2; --line: #323b45;
    --good: #7fdca4; --good-back: #143a26; --bad: #ff9d96; --bad-back: #4a1a1a; --warn: #f0b95b;
    --stored: #5b9be0; --held: #e0aa3e; --rejected: #ec6a61;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 2rem; background: var(--page); color: var(--text);
  font: 1rem/1.45 system-ui, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
header p { margin: 0 0 1.25rem; color: var(--soft); overflow-wrap: anywhere; }
header strong { color: var(--text); font-weight: 600; }
h1 { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .75rem; margin: 0 0 .25rem; font-size: 1.6rem; }
h2 { margin: 0 0 .6rem; font-size: 1.05rem; }
h3 { margin: 1.1rem 0 .4rem; font-size: .9rem; color: var(--soft); font-weight: 600; }
table + h2 { margin-top: 1.4rem; }
.state { padding: .15rem .7rem; border-radius: 1rem; font-size: .95rem; font-weight: 600; }
.state.good { color: var(--good); background: var(--good-back); }
.state.bad { color: var(--bad); background: var(--bad-back); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .75rem; margin: 0; padding: 0;
  list-style: none; }
.tiles li, section, .chart { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem 1.1rem; }
.tiles b { display: block; font-size: 1.55rem; line-height: 1.2; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles span { color: var(--soft); font-size: .9rem; }
section, .chart { margin: .75rem 0 0; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 0 .75rem; align-items: stretch; }
.chart { display: grid; grid-template-columns: auto 1fr; gap: .25rem .5rem; }
.chart figcaption { grid-column: 1 / -1; display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0 0 .6rem; padding: 0; list-style: none; font-size: .9rem;
  color: var(--soft); }
.legend li::before { content: ""; display: inline-block; width: .7em; height: .7em; margin-right: .4em; border-radius: .15em;
  background: currentColor; }
.legend .stored::before, .legend .sent::before { background: var(--stored); }
.legend .held::before { background: var(--held); }
.legend .rejected::before, .legend .setAside::before { background: var(--rejected); }
.y { display: flex; flex-direction: column; justify-content: space-between; text-align: right; height: 12.1rem;
  margin: -.55rem 0; }
.y, .x { font-size: .8rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.plot { position: relative; height: 11rem; }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible; }
.x { grid-column: 2; position: relative; height: 1.3em; margin-top: .2rem; white-space: nowrap; }
.x span { position: absolute; transform: translateX(-50%); }
.x span:nth-child(1) { left: 0; transform: none; }
.x span:nth-child(2) { left: 25%; }
.x span:nth-child(3) { left: 50%; }
.x span:nth-child(4) { left: 75%; }
.x span:nth-child(5) { right: 0; transform: none; }
.grid, .axis { stroke: var(--line); vector-effect: non-scaling-stroke; fill: none; }
.axis { stroke: var(--soft); }
rect.stored, rect.sent { fill: var(--stored); }
rect.held { fill: var(--held); }
rect.rejected, rect.setAside { fill: var(--rejected); }
.plot .empty { position: absolute; left: 50%; top: 50%; transform: translate(-50%, -50%); padding: 0 .75rem; margin: 0;
  background: var(--card); white-space: nowrap; }
.empty, .note { color: var(--soft); margin: 0; }
.note { margin-top: .6rem; font-size: .9rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; }
tr:first-child > th, tr:first-child > td { border-top: 0; }
tbody tr:first-child > th, tbody tr:first-child > td { border-top: 1px solid var(--line); }
.pairs tr:first-child > th, .pairs tr:first-child > td { border-top: 0; }
th { font-weight: 400; }
th small { display: block; color: var(--soft); }
td { text-align: right; padding-left: 1rem; white-space: nowrap; }
.none td, .none th { color: var(--soft); }
tr.warn td, td.warn { color: var(--warn); font-weight: 600; }
tr.bad td { color: var(--bad); font-weight: 600; white-space: normal; overflow-wrap: anywhere; }
thead th { color: var(--soft); font-size: .9rem; white-space: nowrap; }
.signers thead th + th { text-align: right; padding-left: 1rem; }
.signers tbody th { overflow-wrap: anywhere; min-width: 12rem; }
.wide { overflow-x: auto; }
footer { margin-top: 1rem; color: var(--soft); font-size: .85rem; }
a { color: inherit; }
@media (max-width: 40rem) { .tiles { grid-template-columns: 1fr 1fr; } .tiles b { font-size: 1.3rem; }
  .tiles li:last-child:nth-child(odd) { grid-column: 1 / -1; } }
`
