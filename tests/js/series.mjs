// Print the series of the history in a file, for a comparison with Python's.
import { readFileSync } from "node:fs";
import { History } from "../../sandbox/widgets/fold.js";
import { seriesOf } from "../../sandbox/widgets/series.js";

const { topology, rows, bin_s: binS, bins } = JSON.parse(readFileSync(process.argv[2], "utf-8"));
console.log(JSON.stringify(seriesOf(new History(topology, rows), binS, bins)));
