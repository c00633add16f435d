// Print the tables of looks. For tests/test_looks.py.
import { edgeOf, HATCHES, LOOKS } from "../../sandbox/widgets/looks.js";

const looks = {};
for (const [name, look] of Object.entries(LOOKS)) looks[name] = { mark: "", dash: false, ...look, edge: edgeOf(look) };
console.log(JSON.stringify({ looks, hatches: HATCHES }));
