import { EregPage } from "./ereg-page.js";

window.ereg = new EregPage();
