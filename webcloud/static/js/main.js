// The dashboard's behaviour: htmx for fragments, hints over Socket.IO, and one small
// controller per behaviour, started on every element that names it in data-controller.
import "./page_swaps.js";
import { openConsolesHere } from "./console_link.js";
import { startController } from "./controllers.js";
import { listen } from "./live.js";
import * as activityDrawer from "./controllers/activity_drawer.js";
import * as bulk from "./controllers/bulk.js";
import * as command from "./controllers/command.js";
import * as copy from "./controllers/copy.js";
import * as dialog from "./controllers/dialog.js";
import * as keyPair from "./controllers/key_pair.js";
import * as listView from "./controllers/list_view.js";
import * as localTime from "./controllers/local_time.js";
import * as loginLink from "./controllers/login_link.js";
import * as menu from "./controllers/menu.js";
import * as palette from "./controllers/palette.js";
import * as rail from "./controllers/rail.js";
import * as saveFile from "./controllers/save_file.js";
import * as upload from "./controllers/upload.js";

const controllers = {
  "activity-drawer": activityDrawer,
  bulk,
  command,
  copy,
  dialog,
  "key-pair": keyPair,
  "list-view": listView,
  "local-time": localTime,
  "login-link": loginLink,
  menu,
  palette,
  rail,
  "save-file": saveFile,
  upload,
};

startController(controllers);
listen();
openConsolesHere();
