import { init, use, registerTheme } from "echarts/core";
import { BarChart, LineChart, ScatterChart, HeatmapChart, SankeyChart, FunnelChart } from "echarts/charts";
import {
  AriaComponent, DatasetComponent, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent,
} from "echarts/components";
import { LabelLayout } from "echarts/features";
import { SVGRenderer } from "echarts/renderers";

use([
  BarChart, LineChart, ScatterChart, HeatmapChart, SankeyChart, FunnelChart, AriaComponent, DatasetComponent, GridComponent, LegendComponent,
  MarkLineComponent, TitleComponent, TooltipComponent, VisualMapComponent, LabelLayout, SVGRenderer,
]);
export { init, registerTheme };
