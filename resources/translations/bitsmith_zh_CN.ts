<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="zh_CN" sourcelanguage="en">
<context>
    <name>Actions</name>
    <message>
        <source>&amp;About Bitsmith</source>
        <translation>关于 Bitsmith(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Analyse…</source>
        <translation>分析(&amp;A)…</translation>
    </message>
    <message>
        <source>&amp;As the system</source>
        <translation>跟随系统(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;As the system</source>
        <comment>language</comment>
        <translation>跟随系统(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Benchmark</source>
        <translation>基准测试(&amp;B)</translation>
    </message>
    <message>
        <source>&amp;Convert…</source>
        <translation>转换(&amp;C)…</translation>
    </message>
    <message>
        <source>&amp;Copy rows</source>
        <translation>复制行(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Dark</source>
        <translation>深色(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Data…</source>
        <translation>数据(&amp;D)…</translation>
    </message>
    <message>
        <source>&amp;Delete…</source>
        <translation>删除(&amp;D)…</translation>
    </message>
    <message>
        <source>&amp;Edit layers…</source>
        <translation>编辑层(&amp;E)…</translation>
    </message>
    <message>
        <source>&amp;Export…</source>
        <translation>导出(&amp;E)…</translation>
    </message>
    <message>
        <source>&amp;Filter layers</source>
        <translation>筛选层(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Find a command…</source>
        <translation>查找命令(&amp;F)…</translation>
    </message>
    <message>
        <source>&amp;Keys</source>
        <translation>快捷键(&amp;K)</translation>
    </message>
    <message>
        <source>&amp;Light</source>
        <translation>浅色(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Lock or free</source>
        <translation>锁定或解锁(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Open…</source>
        <translation>打开(&amp;O)…</translation>
    </message>
    <message>
        <source>&amp;Pin</source>
        <translation>置顶(&amp;P)</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>退出(&amp;Q)</translation>
    </message>
    <message>
        <source>&amp;Recover</source>
        <translation>精度恢复(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Redo</source>
        <translation>重做(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Save project</source>
        <translation>保存项目(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Take this plan</source>
        <translation>采用此方案(&amp;T)</translation>
    </message>
    <message>
        <source>&amp;Undo</source>
        <translation>撤销(&amp;U)</translation>
    </message>
    <message>
        <source>A small digit recogniser with its data</source>
        <translation>一个小型手写数字识别模型及其数据</translation>
    </message>
    <message>
        <source>Add model &amp;file…</source>
        <translation>添加模型文件(&amp;F)…</translation>
    </message>
    <message>
        <source>Alert t&amp;hresholds…</source>
        <translation>告警阈值(&amp;H)…</translation>
    </message>
    <message>
        <source>Analyse the layers first</source>
        <translation>请先分析各层</translation>
    </message>
    <message>
        <source>Auto-a&amp;ssign…</source>
        <translation>自动分配(&amp;S)…</translation>
    </message>
    <message>
        <source>Cancel the &amp;job</source>
        <translation>取消任务(&amp;J)</translation>
    </message>
    <message>
        <source>Choose bits for a budget</source>
        <translation>按预算选择各层位宽</translation>
    </message>
    <message>
        <source>Choose calibration and evaluation data</source>
        <translation>选择校准数据和评估数据</translation>
    </message>
    <message>
        <source>Choose the limits of memory, latency and loss beyond which Compare raises an alert</source>
        <translation>设置内存、延迟和精度损失的上限，超出时“对比”页会告警</translation>
    </message>
    <message>
        <source>Close Bitsmith</source>
        <translation>关闭 Bitsmith</translation>
    </message>
    <message>
        <source>Co&amp;mpare</source>
        <translation>对比(&amp;M)</translation>
    </message>
    <message>
        <source>Collect acti&amp;vations</source>
        <translation>采集激活(&amp;V)</translation>
    </message>
    <message>
        <source>Colours of the window</source>
        <translation>窗口配色</translation>
    </message>
    <message>
        <source>Compare a model from elsewhere with float and the results</source>
        <translation>把其他来源的模型与浮点模型和转换结果放在一起对比</translation>
    </message>
    <message>
        <source>Convert the model first</source>
        <translation>请先转换模型</translation>
    </message>
    <message>
        <source>Copy a result, or bundle it</source>
        <translation>复制转换结果，或打成部署包</translation>
    </message>
    <message>
        <source>Copy the selected rows of the table, for spreadsheets</source>
        <translation>复制表格中选中的行，可粘贴到电子表格</translation>
    </message>
    <message>
        <source>Delete the runs from the history</source>
        <translation>从历史中删除所选记录</translation>
    </message>
    <message>
        <source>Edit the &amp;note</source>
        <translation>编辑备注(&amp;N)</translation>
    </message>
    <message>
        <source>Evaluate the results against float</source>
        <translation>以浮点模型为基准评估转换结果</translation>
    </message>
    <message>
        <source>Find every command, page and layer by a few letters</source>
        <translation>输入几个字母即可查找任意命令、页面和层</translation>
    </message>
    <message>
        <source>Give many layers other choices: the selected ones, an operator&apos;s, or by name</source>
        <translation>批量修改多个层的设置：选中的层、某种算子的层，或按名称</translation>
    </message>
    <message>
        <source>Give the selected layers {bits} bits</source>
        <translation>将所选层设为 {bits} 位</translation>
    </message>
    <message>
        <source>Give {bits} bits</source>
        <translation>设为 {bits} 位</translation>
    </message>
    <message>
        <source>Go to the filter</source>
        <translation>转到筛选框</translation>
    </message>
    <message>
        <source>Language of the window, at once; not while a job runs</source>
        <translation>窗口语言，立即生效；任务运行时不可切换</translation>
    </message>
    <message>
        <source>Make the plan of this run the plan</source>
        <translation>将此记录的方案设为当前方案</translation>
    </message>
    <message>
        <source>Measure layer &amp;times</source>
        <translation>测量各层耗时(&amp;T)</translation>
    </message>
    <message>
        <source>Measure this &amp;plan</source>
        <translation>实测当前方案(&amp;P)</translation>
    </message>
    <message>
        <source>Measure what every layer can bear</source>
        <translation>测量每一层能承受多低的位宽</translation>
    </message>
    <message>
        <source>No job is running</source>
        <translation>没有正在运行的任务</translation>
    </message>
    <message>
        <source>Open &amp;project…</source>
        <translation>打开项目(&amp;P)…</translation>
    </message>
    <message>
        <source>Open a .bitsmith file: plan, measurements and history of a model</source>
        <translation>打开 .bitsmith 文件：某个模型的方案、测量结果和历史</translation>
    </message>
    <message>
        <source>Open a model first</source>
        <translation>请先打开模型</translation>
    </message>
    <message>
        <source>Open an ONNX model</source>
        <translation>打开 ONNX 模型</translation>
    </message>
    <message>
        <source>Open the &amp;sample</source>
        <translation>打开示例(&amp;S)</translation>
    </message>
    <message>
        <source>Pin the runs at the top, or free them</source>
        <translation>将所选记录置顶，或取消置顶</translation>
    </message>
    <message>
        <source>Re&amp;port…</source>
        <translation>报告(&amp;P)…</translation>
    </message>
    <message>
        <source>Run the calibration data once, to see what every layer reads</source>
        <translation>用校准数据运行一遍，查看每一层的输入分布</translation>
    </message>
    <message>
        <source>Run the whole plan on the calibration data, and see how far the prediction is off</source>
        <translation>用校准数据运行整个方案，查看预测偏差有多大</translation>
    </message>
    <message>
        <source>Save everything but the model</source>
        <translation>保存除模型以外的全部内容</translation>
    </message>
    <message>
        <source>Save everything but the model under another name</source>
        <translation>将除模型以外的全部内容另存为其他名称</translation>
    </message>
    <message>
        <source>Save project &amp;as…</source>
        <translation>项目另存为(&amp;A)…</translation>
    </message>
    <message>
        <source>Save the comparison as CS&amp;V…</source>
        <translation>将对比结果存为 CSV(&amp;V)…</translation>
    </message>
    <message>
        <source>Select a run on the History page first</source>
        <translation>请先在“历史”页选择一条记录</translation>
    </message>
    <message>
        <source>Selected layers keep their bits</source>
        <translation>所选层保持现有位宽</translation>
    </message>
    <message>
        <source>Show everything that can be done by keyboard</source>
        <translation>显示所有键盘操作</translation>
    </message>
    <message>
        <source>Show in &amp;Compare</source>
        <translation>在对比中显示(&amp;C)</translation>
    </message>
    <message>
        <source>Show the runs in Compare and Benchmark, or hide them there</source>
        <translation>在“对比”和“基准测试”中显示或隐藏这些记录</translation>
    </message>
    <message>
        <source>Stop what is running</source>
        <translation>停止正在运行的任务</translation>
    </message>
    <message>
        <source>Time every layer on every kernel of this computer</source>
        <translation>在本机上逐层测量每种内核的耗时</translation>
    </message>
    <message>
        <source>Time float and results in turn</source>
        <translation>交替测量浮点模型和转换结果的耗时</translation>
    </message>
    <message>
        <source>Try better and better ways to round, until a target is met</source>
        <translation>依次尝试越来越好的舍入方法，直到达到目标</translation>
    </message>
    <message>
        <source>Version and platform</source>
        <translation>版本与平台</translation>
    </message>
    <message>
        <source>Wait until the job is done, or cancel it</source>
        <translation>请等待任务完成，或取消任务</translation>
    </message>
    <message>
        <source>Write a note on this run</source>
        <translation>为此记录写备注</translation>
    </message>
    <message>
        <source>Write one page that shows everything</source>
        <translation>生成一页包含全部内容的报告</translation>
    </message>
    <message>
        <source>Write the quantized model</source>
        <translation>写出量化后的模型</translation>
    </message>
    <message>
        <source>Write the table of Compare into a file</source>
        <translation>将“对比”页的表格写入文件</translation>
    </message>
</context>
<context>
    <name>Alerts</name>
    <message>
        <source>{name}: P99 is {value} ms, above {limit} ms.</source>
        <translation>{name}：P99 为 {value} ms，超过 {limit} ms。</translation>
    </message>
    <message>
        <source>{name}: memory is {value} % of the limit, above {limit} %.</source>
        <translation>{name}：内存为上限的 {value} %，超过 {limit} %。</translation>
    </message>
    <message>
        <source>{name}: perplexity is {value} % above float&apos;s, more than {limit} %.</source>
        <translation>{name}：困惑度比浮点模型高 {value} %，超过 {limit} %。</translation>
    </message>
    <message>
        <source>{name}: top-1 is {value} % below float&apos;s, more than {limit} %.</source>
        <translation>{name}：top-1 比浮点模型低 {value} %，超过 {limit} %。</translation>
    </message>
    <message>
        <source>{name}: {value} % of the predictions differ from float&apos;s, above {limit} %.</source>
        <translation>{name}：{value} % 的预测与浮点模型不同，超过 {limit} %。</translation>
    </message>
</context>
<context>
    <name>AllocateDialog</name>
    <message>
        <source> s</source>
        <translation> s</translation>
    </message>
    <message>
        <source>All {bits} bits</source>
        <translation>全部 {bits} 位</translation>
    </message>
    <message>
        <source>Assign bits</source>
        <translation>分配位宽</translation>
    </message>
    <message>
        <source>Auto-assign</source>
        <translation>自动分配</translation>
    </message>
    <message>
        <source>Budget</source>
        <translation>预算</translation>
    </message>
    <message>
        <source>Buys about</source>
        <translation>大约可得</translation>
    </message>
    <message>
        <source>Drag along the best plans, from the smallest file to the least loss</source>
        <translation>沿最优方案拖动：从文件最小到损失最小</translation>
    </message>
    <message>
        <source>Gives robust layers few bits and fragile ones many, so that the plan keeps to the budget and loses as little as possible. Locked layers keep their bits.</source>
        <translation>给鲁棒的层较低位宽、给敏感的层较高位宽，在满足预算的前提下使损失最小。已锁定的层保持位宽不变。</translation>
    </message>
    <message>
        <source>Measure and improve on data, for</source>
        <translation>用数据实测并改进，时长</translation>
    </message>
    <message>
        <source>Needs calibration data</source>
        <translation>需要校准数据</translation>
    </message>
    <message>
        <source>No plan is tried later than this</source>
        <translation>超过该时间后不再尝试新方案</translation>
    </message>
    <message>
        <source>Or uniform</source>
        <translation>或统一位宽</translation>
    </message>
    <message>
        <source>Position on the front</source>
        <translation>在前沿上的位置</translation>
    </message>
    <message>
        <source>Run Analyse first: the sensitivity of every layer is needed to choose well.</source>
        <translation>请先运行“分析”：需要每一层的敏感度才能做出合理的选择。</translation>
    </message>
    <message>
        <source>Runs whole plans on the calibration data and keeps what is really better; cancel keeps the best</source>
        <translation>用校准数据运行完整方案，只保留确实更好的；取消时保留目前最优的方案</translation>
    </message>
    <message>
        <source>That is less than the front offers, and may be out of reach.</source>
        <translation>低于前沿所能达到的范围，可能无法实现。</translation>
    </message>
    <message>
        <source>That is more than the front offers: some layers will need 16 or 32 bits.</source>
        <translation>高于前沿所能达到的范围：部分层需要 16 位或 32 位。</translation>
    </message>
    <message>
        <source>The budget itself; type it, or drag the slider along the front</source>
        <translation>预算值；可直接输入，或沿前沿拖动滑块</translation>
    </message>
    <message>
        <source>The same bits for all layers that are not locked</source>
        <translation>所有未锁定的层使用相同位宽</translation>
    </message>
    <message>
        <source>Then</source>
        <translation>之后</translation>
    </message>
    <message>
        <source>Time for measuring plans</source>
        <translation>实测方案所用时间</translation>
    </message>
    <message>
        <source>What the budget limits</source>
        <translation>预算所限制的指标</translation>
    </message>
</context>
<context>
    <name>AnalyseDialog</name>
    <message>
        <source> samples</source>
        <translation> 个样本</translation>
    </message>
    <message>
        <source>Analyse</source>
        <translation>分析</translation>
    </message>
    <message>
        <source>Estimate time</source>
        <translation>估算时间</translation>
    </message>
    <message>
        <source>Exact (end to end)</source>
        <translation>精确（端到端）</translation>
    </message>
    <message>
        <source>Exact only</source>
        <translation>仅用于精确方法</translation>
    </message>
    <message>
        <source>How many calibration samples, from the first on, the layers are measured on</source>
        <translation>用多少个校准样本（从第一个起）测量各层</translation>
    </message>
    <message>
        <source>How much the loss is expected to rise, from one pass forward and backward.</source>
        <translation>由一次前向和反向传播估计损失函数预期上升多少。</translation>
    </message>
    <message>
        <source>Loss-aware (gradients)</source>
        <translation>损失感知（梯度）</translation>
    </message>
    <message>
        <source>Measure anew what an earlier run has measured</source>
        <translation>重新测量先前已测过的内容</translation>
    </message>
    <message>
        <source>Measure on</source>
        <translation>测量样本</translation>
    </message>
    <message>
        <source>Measures what the model loses when one layer gets fewer bits and the others stay float.</source>
        <translation>测量仅一层降低位宽、其余层保持浮点时模型的损失。</translation>
    </message>
    <message>
        <source>Method</source>
        <translation>方法</translation>
    </message>
    <message>
        <source>Otherwise a cancelled exact analysis goes on where it was</source>
        <translation>否则，被取消的精确分析会从中断处继续</translation>
    </message>
    <message>
        <source>Quick (seconds)</source>
        <translation>快速（数秒）</translation>
    </message>
    <message>
        <source>Racing: stop a cell as soon as its place is decided</source>
        <translation>竞速：单元格排名确定后即停止测量</translation>
    </message>
    <message>
        <source>Runs every candidate through to the network&apos;s outputs: KL, SQNR and top-1. Takes longest.</source>
        <translation>将每个候选一直运行到网络输出：KL、SQNR 和 top-1。耗时最长。</translation>
    </message>
    <message>
        <source>SQNR of each layer&apos;s own output, from one pass over the samples.</source>
        <translation>遍历样本一次，得到每层自身输出的 SQNR。</translation>
    </message>
    <message>
        <source>Several times faster; figures get rougher, the order of the layers stays</source>
        <translation>速度快数倍；数值较粗略，但各层排序不变</translation>
    </message>
    <message>
        <source>Time a short trial on this computer</source>
        <translation>在本机上做一次短时试测</translation>
    </message>
    <message>
        <source>Timing a trial…</source>
        <translation>正在试测…</translation>
    </message>
    <message>
        <source>about {time}, cells to measure: {cells}</source>
        <translation>约 {time}，待测单元格：{cells} 个</translation>
    </message>
    <message>
        <source>{text}; {n} found from an earlier run</source>
        <translation>{text}；其中 {n} 个已在先前运行中测得</translation>
    </message>
</context>
<context>
    <name>BenchmarkPage</name>
    <message numerus="yes">
        <source>%n calls were timed</source>
        <translation>
            <numerusform>计时调用 %n 次</numerusform>
        </translation>
    </message>
    <message>
        <source>90 % of the calls are faster</source>
        <translation>90 % 的调用快于此值</translation>
    </message>
    <message>
        <source>99 % of the calls are faster</source>
        <translation>99 % 的调用快于此值</translation>
    </message>
    <message>
        <source>Against the float model</source>
        <translation>相对浮点模型</translation>
    </message>
    <message>
        <source>Batches to sweep</source>
        <translation>要扫描的批大小</translation>
    </message>
    <message>
        <source>CPU affinity: the processors to keep to, sets apart by semicolons, as 0; 0,1. Not on macOS</source>
        <translation>CPU 亲和性：限定使用的处理器，各组用分号隔开，例如 0; 0,1。macOS 不支持</translation>
    </message>
    <message>
        <source>File of the model</source>
        <translation>模型文件</translation>
    </message>
    <message>
        <source>File size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>Further batch sizes, as 1,8</source>
        <translation>其他批大小，例如 1,8</translation>
    </message>
    <message>
        <source>Further numbers of threads, as 1,2,4</source>
        <translation>其他线程数，例如 1,2,4</translation>
    </message>
    <message>
        <source>Half of the calls are faster</source>
        <translation>一半的调用快于此值</translation>
    </message>
    <message>
        <source>Latency and throughput</source>
        <translation>延迟与吞吐量</translation>
    </message>
    <message>
        <source>Load ms</source>
        <translation>加载 ms</translation>
    </message>
    <message>
        <source>Loading in a process of its own</source>
        <translation>在独立进程中的加载时间</translation>
    </message>
    <message>
        <source>Memory that no other process shares</source>
        <translation>不与其他进程共享的内存</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Not measured yet. Models run in turn, so that they see the same conditions.</source>
        <translation>尚未测量。各模型交替运行，以保证条件相同。</translation>
    </message>
    <message>
        <source>P50 ms</source>
        <translation>P50 ms</translation>
    </message>
    <message>
        <source>P90 ms</source>
        <translation>P90 ms</translation>
    </message>
    <message>
        <source>P99 ms</source>
        <translation>P99 ms</translation>
    </message>
    <message>
        <source>PSS</source>
        <translation>PSS</translation>
    </message>
    <message>
        <source>Processors to sweep</source>
        <translation>要扫描的处理器</translation>
    </message>
    <message>
        <source>RSS</source>
        <translation>RSS</translation>
    </message>
    <message>
        <source>Resident memory, in a process of its own</source>
        <translation>常驻内存，在独立进程中测得</translation>
    </message>
    <message>
        <source>Run the benchmark</source>
        <translation>运行基准测试</translation>
    </message>
    <message>
        <source>Samples/s</source>
        <translation>样本/s</translation>
    </message>
    <message>
        <source>Shared pages divided among those who share them</source>
        <translation>共享页按共享者均摊</translation>
    </message>
    <message>
        <source>Size on disk</source>
        <translation>磁盘占用</translation>
    </message>
    <message>
        <source>Speed-up</source>
        <translation>加速比</translation>
    </message>
    <message>
        <source>Sweep: threads</source>
        <translation>扫描：线程数</translation>
    </message>
    <message>
        <source>Threads</source>
        <translation>线程数</translation>
    </message>
    <message>
        <source>Threads that ONNX Runtime may use for one call</source>
        <translation>ONNX Runtime 单次调用可用的线程数</translation>
    </message>
    <message>
        <source>Threads to sweep</source>
        <translation>要扫描的线程数</translation>
    </message>
    <message>
        <source>Throughput</source>
        <translation>吞吐量</translation>
    </message>
    <message>
        <source>USS</source>
        <translation>USS</translation>
    </message>
    <message>
        <source>batches</source>
        <translation>批大小</translation>
    </message>
    <message>
        <source>processors</source>
        <translation>处理器</translation>
    </message>
    <message>
        <source>{name} (float)</source>
        <translation>{name}（浮点）</translation>
    </message>
</context>
<context>
    <name>Bottlenecks</name>
    <message>
        <source>Between operators, {quantize} QuantizeLinear and {dequantize} DequantizeLinear nodes were not fused into a kernel: {cost_us} or {cost_share} of the call.</source>
        <translation>算子之间有 {quantize} 个 QuantizeLinear 和 {dequantize} 个 DequantizeLinear 节点未融合进内核：耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>Compute them in float; their weights stay small in the file.</source>
        <translation>让这些层以浮点计算；其权重在文件中仍然很小。</translation>
    </message>
    <message>
        <source>Convert the float model with Bitsmith, whose files unpack weights once, at load.</source>
        <translation>用 Bitsmith 转换浮点模型，其文件只在加载时解包一次权重。</translation>
    </message>
    <message>
        <source>Give them 8 bits.</source>
        <translation>将这些层设为 8 位。</translation>
    </message>
    <message>
        <source>Kernels that measure a range anew in every call, because activations are dynamic: {count}. They take {cost_us} or {cost_share} of the call in all.</source>
        <translation>因采用动态激活而在每次调用中重新测量范围的内核：{count} 个。共耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>Layers for which ONNX Runtime found no integer kernel: {count}. They dequantize their weights in every call and compute in float, {cost_us} or {cost_share} of the call.</source>
        <translation>ONNX Runtime 未找到整数内核的层：{count} 个。它们在每次调用中反量化权重并以浮点计算，耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>Layers that are float in this file: {count}. They take {cost_us} or {cost_share} of the call.</source>
        <translation>此文件中为浮点的层：{count} 个。耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>Layers that are slower than in float: {count}. They take {result_us} instead of {float_us}, mostly because they are too small to gain.</source>
        <translation>比浮点更慢的层：{count} 个。耗时 {result_us}，而浮点为 {float_us}，多半因为层太小而无法获益。</translation>
    </message>
    <message>
        <source>Layers that store integers and compute in float: {count}. They take {cost_us} or {cost_share} of the call; that saves size and no time.</source>
        <translation>以整数存储、以浮点计算的层：{count} 个。耗时 {cost_us}，占调用的 {cost_share}；这样只省空间，不省时间。</translation>
    </message>
    <message>
        <source>Nodes that measure a range anew in every call, because activations are dynamic: {count}. They take {cost_us} or {cost_share} of the call.</source>
        <translation>因采用动态激活而在每次调用中重新测量范围的节点：{count} 个。耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>Only another network, or a runtime that fuses these operators, would help.</source>
        <translation>只有换用其他网络，或换用能融合这些算子的运行时才有帮助。</translation>
    </message>
    <message>
        <source>Operators without weights take {cost_share} of the call, mostly {operators}: even if all layers took no time, the model would be {limit_ratio} faster at most.</source>
        <translation>无权重的算子占调用的 {cost_share}，主要是 {operators}：即使所有层耗时为零，模型最多也只快 {limit_ratio}。</translation>
    </message>
    <message>
        <source>Run several samples per call.</source>
        <translation>每次调用运行多个样本。</translation>
    </message>
    <message>
        <source>Run with {threads} threads.</source>
        <translation>使用 {threads} 个线程运行。</translation>
    </message>
    <message>
        <source>The model is small: a call takes {float_us} in float, and {fixed_us} of it go to the call itself and its {nodes} nodes, which no bits can save.</source>
        <translation>模型很小：浮点下一次调用为 {float_us}，其中 {fixed_us} 用于调用本身及其 {nodes} 个节点，降低位宽无法节省这部分。</translation>
    </message>
    <message>
        <source>This processor has none of the instructions that make 8-bit products fast (AVX512-VNNI, AVX-VNNI, AMX, dot product), so integer kernels gain little here.</source>
        <translation>此处理器没有加速 8 位乘法的指令（AVX512-VNNI、AVX-VNNI、AMX、dot product），因此整数内核在此收益甚微。</translation>
    </message>
    <message>
        <source>Use static activations, whose ranges are known beforehand.</source>
        <translation>使用静态激活，其范围事先已知。</translation>
    </message>
    <message>
        <source>Use the reduced range, which such processors compute without saturation.</source>
        <translation>使用缩减范围，此类处理器计算时不会饱和。</translation>
    </message>
    <message>
        <source>{count} nodes only change the layout between kernels (Transpose, Reorder): {cost_us} or {cost_share} of the call.</source>
        <translation>{count} 个节点仅在内核之间转换数据布局（Transpose、Reorder）：耗时 {cost_us}，占调用的 {cost_share}。</translation>
    </message>
    <message>
        <source>{result} a call, float {float}: slower, {ratio}× as fast.</source>
        <translation>每次调用 {result}，浮点为 {float}：更慢，速度为其 {ratio}×。</translation>
    </message>
    <message>
        <source>{result} a call, float {float}: {ratio}× as fast.</source>
        <translation>每次调用 {result}，浮点为 {float}：速度为其 {ratio}×。</translation>
    </message>
    <message>
        <source>{threads} of {cores} processors work: with all of them this file takes {all_us} instead of {result_us}.</source>
        <translation>{cores} 个处理器中只用了 {threads} 个：全部使用时此文件耗时 {all_us}，而非 {result_us}。</translation>
    </message>
    <message>
        <source>{threads} threads share {cores} processors, so they wait for each other.</source>
        <translation>{threads} 个线程共用 {cores} 个处理器，因此相互等待。</translation>
    </message>
</context>
<context>
    <name>ChannelStrip</name>
    <message>
        <source>Smallest and largest weight of every output channel</source>
        <translation>每个输出通道的最小与最大权重</translation>
    </message>
    <message>
        <source>Smallest and largest weight of every output channel; click to see the weights of one</source>
        <translation>每个输出通道的最小与最大权重；点击可查看单个通道的权重</translation>
    </message>
    <message>
        <source>output channel</source>
        <translation>输出通道</translation>
    </message>
</context>
<context>
    <name>ClipPlot</name>
    <message>
        <source>Left and Right move the active clip line, Up and Down choose it, Home goes back to automatic</source>
        <translation>左右键移动当前截断线，上下键选择截断线，Home 键恢复自动</translation>
    </message>
</context>
<context>
    <name>ColumnsMenu</name>
    <message>
        <source>&amp;Columns</source>
        <translation>列(&amp;C)</translation>
    </message>
</context>
<context>
    <name>CommandPalette</name>
    <message>
        <source>Find a command</source>
        <translation>查找命令</translation>
    </message>
    <message>
        <source>Find a command, a page or a layer</source>
        <translation>查找命令、页面或层</translation>
    </message>
    <message>
        <source>Find a command, a page or a layer…</source>
        <translation>查找命令、页面或层…</translation>
    </message>
    <message>
        <source>Nothing is called that.</source>
        <translation>没有匹配的名称。</translation>
    </message>
    <message>
        <source>What fits</source>
        <translation>匹配项</translation>
    </message>
</context>
<context>
    <name>Commands</name>
    <message>
        <source>Layer · {operator}</source>
        <translation>层 · {operator}</translation>
    </message>
    <message>
        <source>Not possible now</source>
        <translation>当前不可用</translation>
    </message>
</context>
<context>
    <name>CompareColumns</name>
    <message>
        <source>90 % of the calls are faster</source>
        <translation>90 % 的调用快于此值</translation>
    </message>
    <message>
        <source>99 % of the calls are faster</source>
        <translation>99 % 的调用快于此值</translation>
    </message>
    <message>
        <source>Agreement %</source>
        <translation>一致率 %</translation>
    </message>
    <message>
        <source>All stored bits per weight</source>
        <translation>每个权重平均占用的存储位数</translation>
    </message>
    <message>
        <source>Bits per weight</source>
        <translation>位/权重</translation>
    </message>
    <message>
        <source>File of the model</source>
        <translation>模型文件</translation>
    </message>
    <message>
        <source>File size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>Float size / size</source>
        <translation>浮点大小 / 本文件大小</translation>
    </message>
    <message>
        <source>Half of the calls are faster</source>
        <translation>一半的调用快于此值</translation>
    </message>
    <message>
        <source>KL</source>
        <translation>KL</translation>
    </message>
    <message>
        <source>Load ms</source>
        <translation>加载 ms</translation>
    </message>
    <message>
        <source>Loading in a process of its own</source>
        <translation>在独立进程中的加载时间</translation>
    </message>
    <message>
        <source>Memory that no other process shares</source>
        <translation>不与其他进程共享的内存</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Of the class probabilities, nats</source>
        <translation>类别概率的 KL 散度，nats</translation>
    </message>
    <message>
        <source>Of the next token; lower is better</source>
        <translation>对下一个 token；越低越好</translation>
    </message>
    <message>
        <source>Of the outputs against float</source>
        <translation>输出相对浮点</translation>
    </message>
    <message>
        <source>P50 ms</source>
        <translation>P50 ms</translation>
    </message>
    <message>
        <source>P90 ms</source>
        <translation>P90 ms</translation>
    </message>
    <message>
        <source>P99 ms</source>
        <translation>P99 ms</translation>
    </message>
    <message>
        <source>PSS</source>
        <translation>PSS</translation>
    </message>
    <message>
        <source>Perplexity</source>
        <translation>困惑度</translation>
    </message>
    <message>
        <source>RSS</source>
        <translation>RSS</translation>
    </message>
    <message>
        <source>Resident memory, in a process of its own</source>
        <translation>常驻内存，在独立进程中测得</translation>
    </message>
    <message>
        <source>SQNR dB</source>
        <translation>SQNR dB</translation>
    </message>
    <message>
        <source>Same prediction as float</source>
        <translation>与浮点预测一致的比例</translation>
    </message>
    <message>
        <source>Samples/s</source>
        <translation>样本/s</translation>
    </message>
    <message>
        <source>Share of samples whose label is predicted</source>
        <translation>预测正确的样本比例</translation>
    </message>
    <message>
        <source>Shared pages divided among those who share them</source>
        <translation>共享页按共享者均摊</translation>
    </message>
    <message>
        <source>Size on disk</source>
        <translation>磁盘占用</translation>
    </message>
    <message>
        <source>Smaller</source>
        <translation>缩小</translation>
    </message>
    <message>
        <source>The label is among the five best</source>
        <translation>标签位于前五名的比例</translation>
    </message>
    <message>
        <source>Throughput</source>
        <translation>吞吐量</translation>
    </message>
    <message>
        <source>Top-1 %</source>
        <translation>Top-1 %</translation>
    </message>
    <message>
        <source>Top-5 %</source>
        <translation>Top-5 %</translation>
    </message>
    <message>
        <source>USS</source>
        <translation>USS</translation>
    </message>
    <message>
        <source>Verdict</source>
        <translation>结论</translation>
    </message>
    <message>
        <source>Whether the result is far from float</source>
        <translation>结果是否偏离浮点较远</translation>
    </message>
    <message>
        <source>as {name}</source>
        <translation>与 {name} 相同</translation>
    </message>
    <message>
        <source>better than {name}</source>
        <translation>优于 {name}</translation>
    </message>
    <message>
        <source>close to float</source>
        <translation>接近浮点</translation>
    </message>
    <message>
        <source>differs on {share} %</source>
        <translation>{share} % 不同</translation>
    </message>
    <message>
        <source>far from float</source>
        <translation>偏离浮点</translation>
    </message>
    <message>
        <source>not compared</source>
        <translation>未对比</translation>
    </message>
    <message>
        <source>note</source>
        <translation>注意</translation>
    </message>
    <message>
        <source>reference</source>
        <translation>参考</translation>
    </message>
    <message>
        <source>worse than {name}</source>
        <translation>差于 {name}</translation>
    </message>
    <message>
        <source>{name} (added)</source>
        <translation>{name}（外部添加）</translation>
    </message>
    <message>
        <source>{name} (float)</source>
        <translation>{name}（浮点）</translation>
    </message>
    <message>
        <source>{points} points lower</source>
        <translation>低 {points} 个百分点</translation>
    </message>
    <message>
        <source>⚑ degraded</source>
        <translation>⚑ 质量下降</translation>
    </message>
</context>
<context>
    <name>CompareJobs</name>
    <message>
        <source>Compare layers</source>
        <translation>逐层对比</translation>
    </message>
    <message>
        <source>Evaluate {name}</source>
        <translation>评估 {name}</translation>
    </message>
    <message>
        <source>Samples that {name} changed</source>
        <translation>被 {name} 改变的样本</translation>
    </message>
    <message>
        <source>Why {name} is not faster</source>
        <translation>{name} 为何没有更快</translation>
    </message>
</context>
<context>
    <name>ComparePage</name>
    <message>
        <source>Add a model file</source>
        <translation>添加模型文件</translation>
    </message>
    <message>
        <source>Against</source>
        <translation>基准</translation>
    </message>
    <message>
        <source>Alerts</source>
        <translation>告警</translation>
    </message>
    <message>
        <source>All figures</source>
        <translation>全部指标</translation>
    </message>
    <message>
        <source>All results are evaluated. Ticked ones are in the plots.</source>
        <translation>所有结果均已评估。勾选的结果显示在图中。</translation>
    </message>
    <message>
        <source>Baseline</source>
        <translation>基准</translation>
    </message>
    <message>
        <source>CSV files (*.csv)</source>
        <translation>CSV 文件 (*.csv)</translation>
    </message>
    <message>
        <source>Cannot read {path}: {reason}. Choose another file.</source>
        <translation>无法读取 {path}：{reason}。请选择其他文件。</translation>
    </message>
    <message>
        <source>Cannot write {path}: {reason}. Choose another place.</source>
        <translation>无法写入 {path}：{reason}。请选择其他位置。</translation>
    </message>
    <message>
        <source>Changed samples</source>
        <translation>变化的样本</translation>
    </message>
    <message>
        <source>Error by layer</source>
        <translation>逐层误差</translation>
    </message>
    <message>
        <source>Figures</source>
        <translation>指标</translation>
    </message>
    <message>
        <source>Float model and results</source>
        <translation>浮点模型与转换结果</translation>
    </message>
    <message>
        <source>Latency</source>
        <translation>延迟</translation>
    </message>
    <message>
        <source>Memory</source>
        <translation>内存</translation>
    </message>
    <message>
        <source>Models (*.onnx)</source>
        <translation>模型 (*.onnx)</translation>
    </message>
    <message>
        <source>More alerts: {n}.</source>
        <translation>其他告警：{n} 条。</translation>
    </message>
    <message>
        <source>No evaluation data. Add some with Data, then compare.</source>
        <translation>没有评估数据。请在“数据”中添加，然后再对比。</translation>
    </message>
    <message>
        <source>No results yet. Convert makes the first one.</source>
        <translation>尚无结果。执行“转换”即可得到第一个。</translation>
    </message>
    <message>
        <source>Quality</source>
        <translation>质量</translation>
    </message>
    <message>
        <source>Results not evaluated yet: {n} of {total}.</source>
        <translation>尚未评估的结果：{n} / {total}。</translation>
    </message>
    <message>
        <source>Save the table</source>
        <translation>保存表格</translation>
    </message>
    <message>
        <source>Size and quality</source>
        <translation>大小与质量</translation>
    </message>
    <message>
        <source>Speed</source>
        <translation>速度</translation>
    </message>
    <message>
        <source>Summary</source>
        <translation>摘要</translation>
    </message>
    <message>
        <source>Take this file out of the table</source>
        <translation>从表格中移除此文件</translation>
    </message>
    <message>
        <source>The file itself stays where it is</source>
        <translation>文件本身保留在原处</translation>
    </message>
    <message>
        <source>Throughput</source>
        <translation>吞吐量</translation>
    </message>
    <message>
        <source>What the differences are against</source>
        <translation>差值所参照的模型</translation>
    </message>
    <message>
        <source>Which columns the table shows</source>
        <translation>表格显示哪些列</translation>
    </message>
    <message>
        <source>Why is it not faster here?</source>
        <translation>为什么在这里没有更快？</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>{name} is in the table already.</source>
        <translation>{name} 已在表格中。</translation>
    </message>
</context>
<context>
    <name>ConvertDialog</name>
    <message>
        <source> samples</source>
        <translation> 个样本</translation>
    </message>
    <message>
        <source>Activations</source>
        <translation>激活</translation>
    </message>
    <message>
        <source>Add data…</source>
        <translation>添加数据…</translation>
    </message>
    <message>
        <source>Calibrate with</source>
        <translation>校准样本</translation>
    </message>
    <message>
        <source>Convert</source>
        <translation>转换</translation>
    </message>
    <message>
        <source>Converted model</source>
        <translation>转换后的模型</translation>
    </message>
    <message>
        <source>Dynamic INT8: ranges at run time, no data needed</source>
        <translation>动态 INT8：运行时确定范围，无需数据</translation>
    </message>
    <message>
        <source>Float: only the weights are quantized</source>
        <translation>浮点：仅量化权重</translation>
    </message>
    <message>
        <source>For all layers that are not locked; undo brings the old kernels back</source>
        <translation>作用于所有未锁定的层；撤销可恢复原来的内核</translation>
    </message>
    <message>
        <source>Give the name of a file to write.</source>
        <translation>请给出要写入的文件名。</translation>
    </message>
    <message>
        <source>How many samples calibrate the activation ranges</source>
        <translation>用多少个样本校准激活范围</translation>
    </message>
    <message>
        <source>ONNX models (*.onnx);;Packed PyTorch weights (*.safetensors)</source>
        <translation>ONNX 模型 (*.onnx);;PyTorch 打包权重 (*.safetensors)</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>Save as</source>
        <translation>保存为</translation>
    </message>
    <message>
        <source>Static INT8, stored signed: for ARM processors and accelerators, slower on x86</source>
        <translation>静态 INT8，以有符号数存储：适合 ARM 处理器和加速器，在 x86 上较慢</translation>
    </message>
    <message>
        <source>Static INT8: fastest, ranges from calibration data</source>
        <translation>静态 INT8：最快，范围来自校准数据</translation>
    </message>
    <message>
        <source>Static activations need calibration data. Add data, or choose Dynamic or Float.</source>
        <translation>静态激活需要校准数据。请添加数据，或选择动态或浮点。</translation>
    </message>
    <message>
        <source>The name of the converted model must end in .onnx, or .safetensors for PyTorch.</source>
        <translation>转换后的模型文件名必须以 .onnx 结尾；用于 PyTorch 时以 .safetensors 结尾。</translation>
    </message>
    <message>
        <source>This is the float model itself. Choose another name.</source>
        <translation>这是浮点模型本身。请另选名称。</translation>
    </message>
    <message>
        <source>about {size}, {ratio} smaller, {bits:.2f} bits per weight</source>
        <translation>约 {size}，缩小 {ratio}，{bits:.2f} 位/权重</translation>
    </message>
    <message>
        <source>name.onnx: a model that ONNX Runtime loads. name.safetensors: packed weights for PyTorch, which engine/pytorch/packed.py loads and runs; inputs of the layers stay float, and no data is needed.</source>
        <translation>name.onnx：可由 ONNX Runtime 加载的模型。name.safetensors：供 PyTorch 使用的打包权重，由 engine/pytorch/packed.py 加载和运行；各层输入保持浮点，无需数据。</translation>
    </message>
    <message>
        <source>{name} exists already, and results are never overwritten. Choose another name.</source>
        <translation>{name} 已存在，而结果从不覆盖。请另选名称。</translation>
    </message>
</context>
<context>
    <name>CrashDialog</name>
    <message>
        <source>A bug in Bitsmith</source>
        <translation>Bitsmith 出现程序错误</translation>
    </message>
    <message>
        <source>Copy the report</source>
        <translation>复制报告</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>报告</translation>
    </message>
    <message>
        <source>Something went wrong that is not your fault. Your work is still here. Please send this report.</source>
        <translation>发生了错误，并非您操作所致。您的工作仍在。请将此报告发送给我们。</translation>
    </message>
</context>
<context>
    <name>Data</name>
    <message>
        <source>1,001 classes have a background class first, so labels are shifted by 1.</source>
        <translation>1,001 个类别，首个为背景类，因此标签偏移 1。</translation>
    </message>
    <message>
        <source>All values of this sample are the same: nothing of the picture is left. Correct scale and std.</source>
        <translation>此样本的所有值都相同：图像内容已丢失。请更正 scale 和 std。</translation>
    </message>
    <message>
        <source>Best: {title}, {right} of {samples} right.</source>
        <translation>最佳：{title}，{samples} 个中 {right} 个正确。</translation>
    </message>
    <message>
        <source>Both sources are the same data, so {name} is divided.</source>
        <translation>两个来源是同一份数据，因此将 {name} 拆分使用。</translation>
    </message>
    <message>
        <source>Guessed: size, layout and channels from the input “{input}” [{shape}]</source>
        <translation>推测：尺寸、布局和通道取自输入“{input}” [{shape}]</translation>
    </message>
    <message>
        <source>Next: {title}, {right}.</source>
        <translation>其次：{title}，{right} 个。</translation>
    </message>
    <message>
        <source>Read from {file}, which belongs to the data or the model by its name.</source>
        <translation>读取自 {file}，按文件名判断它属于该数据或模型。</translation>
    </message>
    <message>
        <source>The network gets raw pixels up to 255. Few networks expect that, and this one&apos;s first layer reads them as they are: choose a preset with mean and std unless you know that it was trained so.</source>
        <translation>网络得到的是最大为 255 的原始像素值。很少有网络需要这样的输入，而此网络的第一层会直接读取它们：除非您确知其训练方式如此，否则请选择带 mean 和 std 的预设。</translation>
    </message>
    <message>
        <source>The values are far from 0 for their spread. Check that mean is in the unit of the scaled pixels.</source>
        <translation>相对其离散程度，数值偏离 0 较远。请检查 mean 是否与缩放后的像素单位一致。</translation>
    </message>
    <message>
        <source>The values hardly differ from each other. Check that the scale is not applied twice.</source>
        <translation>数值之间几乎没有差别。请检查 scale 是否被重复应用。</translation>
    </message>
    <message>
        <source>The {folders:,} class folders count as classes 0 to {last:,} in the order of their names, and the network has {classes:,} classes. If these are others, give a CSV file with the columns file,label under Labels.</source>
        <translation>{folders:,} 个类别文件夹按名称顺序作为类别 0 到 {last:,}，而网络有 {classes:,} 个类别。若实际类别不同，请在“标签”中给出含 file,label 两列的 CSV 文件。</translation>
    </message>
    <message>
        <source>They are drawn class by class in turn, shuffled the same way every time.</source>
        <translation>样本按类别轮流抽取，每次的打乱顺序相同。</translation>
    </message>
    <message>
        <source>They are shuffled the same way every time.</source>
        <translation>每次的打乱顺序相同。</translation>
    </message>
    <message>
        <source>raw values, because the network normalizes its input itself.</source>
        <translation>采用原始值，因为网络会自行归一化输入。</translation>
    </message>
    <message>
        <source>values are the most common ones, which may not be this network&apos;s.</source>
        <translation>数值采用最常见的设置，不一定适合此网络。</translation>
    </message>
    <message>
        <source>values as usual for images of this size.</source>
        <translation>数值采用此尺寸图像的常用设置。</translation>
    </message>
    <message>
        <source>values as usual for networks of TensorFlow, which have this layout.</source>
        <translation>数值采用具有此布局的 TensorFlow 网络的常用设置。</translation>
    </message>
    <message>
        <source>values as usual for networks of this name.</source>
        <translation>数值采用同名网络的常用设置。</translation>
    </message>
    <message>
        <source>{counts}, no better than chance: preprocessing or labels do not fit. Try all presets.</source>
        <translation>{counts}，与随机猜测无异：预处理或标签不匹配。请尝试所有预设。</translation>
    </message>
    <message>
        <source>{counts}: low, unless the model is no better. Try all presets.</source>
        <translation>{counts}：偏低，除非模型本身如此。请尝试所有预设。</translation>
    </message>
    <message>
        <source>{counts}: the preprocessing fits.</source>
        <translation>{counts}：预处理匹配。</translation>
    </message>
    <message>
        <source>{counts}; with labels shifted by {offset:+d} it would be {best}. Change the label offset.</source>
        <translation>{counts}；若标签偏移 {offset:+d}，则为 {best} 个。请修改标签偏移。</translation>
    </message>
    <message>
        <source>{input}: {shape}, {dtype}</source>
        <translation>{input}：{shape}，{dtype}</translation>
    </message>
    <message>
        <source>{right} of {samples} right</source>
        <translation>{samples} 个中 {right} 个正确</translation>
    </message>
    <message>
        <source>{samples:,} of {total:,} samples calibrate. Nothing is kept for evaluation.</source>
        <translation>共 {total:,} 个样本，其中 {samples:,} 个用于校准。没有留作评估的样本。</translation>
    </message>
    <message>
        <source>{samples:,} of {total:,} samples for calibration, the other {rest:,} for evaluation; none is used twice.</source>
        <translation>共 {total:,} 个样本，其中 {samples:,} 个用于校准，其余 {rest:,} 个用于评估；没有重复使用。</translation>
    </message>
    <message>
        <source>{samples:,} of {total:,} samples of {name} for calibration, {rest:,} of {other} for evaluation; none is used twice.</source>
        <translation>{name} 的 {total:,} 个样本中 {samples:,} 个用于校准，{other} 的 {rest:,} 个用于评估；没有重复使用。</translation>
    </message>
    <message>
        <source>{shared:,} calibration samples are in both and are left out of evaluation.</source>
        <translation>{shared:,} 个校准样本同时存在于两者之中，评估时将其排除。</translation>
    </message>
</context>
<context>
    <name>DataDialog</name>
    <message>
        <source>Cannot write {path}: {reason}. Choose another folder.</source>
        <translation>无法写入 {path}：{reason}。请选择其他文件夹。</translation>
    </message>
    <message>
        <source>Check and use</source>
        <translation>检查并使用</translation>
    </message>
    <message>
        <source>Data</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>Give the evaluation data, or choose None.</source>
        <translation>请给出评估数据，或选择“无”。</translation>
    </message>
    <message>
        <source>JSON (*.json)</source>
        <translation>JSON (*.json)</translation>
    </message>
    <message>
        <source>Load preprocessing</source>
        <translation>载入预处理</translation>
    </message>
    <message>
        <source>Preprocessing</source>
        <translation>预处理</translation>
    </message>
    <message>
        <source>Save preprocessing</source>
        <translation>保存预处理</translation>
    </message>
</context>
<context>
    <name>DataFeed</name>
    <message>
        <source>That could not be found out, because of a bug in Bitsmith.</source>
        <translation>由于 Bitsmith 的程序错误，无法得知结果。</translation>
    </message>
</context>
<context>
    <name>DataFields</name>
    <message>
        <source> samples</source>
        <translation> 个样本</translation>
    </message>
    <message>
        <source>Calibrate with</source>
        <translation>校准样本</translation>
    </message>
    <message>
        <source>Calibration</source>
        <translation>校准</translation>
    </message>
    <message>
        <source>Calibration data</source>
        <translation>校准数据</translation>
    </message>
    <message>
        <source>Data</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>Data (*.npz *.npy *.txt);;All files (*)</source>
        <translation>数据 (*.npz *.npy *.txt);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Drop data here or choose them: a folder of images (with class sub-folders or a CSV file of labels), a .npz or .npy with arrays named as the model&apos;s inputs, or a text for a language model.</source>
        <translation>将数据拖放到此处或进行选择：图像文件夹（含类别子文件夹或标签 CSV 文件）、数组按模型输入命名的 .npz 或 .npy，或用于语言模型的文本。</translation>
    </message>
    <message>
        <source>Evaluate on</source>
        <translation>评估数据来源</translation>
    </message>
    <message>
        <source>Evaluation</source>
        <translation>评估</translation>
    </message>
    <message>
        <source>Evaluation data</source>
        <translation>评估数据</translation>
    </message>
    <message>
        <source>How many samples are used to calibrate; at most half if the rest evaluates</source>
        <translation>用多少个样本校准；若其余用于评估，则最多一半</translation>
    </message>
    <message>
        <source>Images</source>
        <translation>图像</translation>
    </message>
    <message>
        <source>JSON (*.json);;All files (*)</source>
        <translation>JSON (*.json);;所有文件 (*)</translation>
    </message>
    <message>
        <source>Labels</source>
        <translation>标签</translation>
    </message>
    <message>
        <source>None</source>
        <translation>无</translation>
    </message>
    <message>
        <source>Other data</source>
        <translation>其他数据</translation>
    </message>
    <message>
        <source>Tables (*.csv);;All files (*)</source>
        <translation>表格 (*.csv);;所有文件 (*)</translation>
    </message>
    <message>
        <source>The rest of the same data</source>
        <translation>同一数据的其余部分</translation>
    </message>
    <message>
        <source>Tokenizer</source>
        <translation>分词器</translation>
    </message>
    <message>
        <source>class folders, or a CSV file in the folder</source>
        <translation>类别文件夹，或文件夹中的 CSV 文件</translation>
    </message>
    <message>
        <source>the tokenizer JSON beside the text</source>
        <translation>文本旁的分词器 JSON 文件</translation>
    </message>
</context>
<context>
    <name>Diagnosis</name>
    <message>
        <source>Asymmetric</source>
        <translation>非对称</translation>
    </message>
    <message>
        <source>Dynamic input</source>
        <translation>动态输入</translation>
    </message>
    <message>
        <source>Float input</source>
        <translation>浮点输入</translation>
    </message>
    <message>
        <source>Full range</source>
        <translation>全范围</translation>
    </message>
    <message>
        <source>Groups of {size}</source>
        <translation>分组 {size}</translation>
    </message>
    <message>
        <source>MSE range</source>
        <translation>MSE 范围</translation>
    </message>
    <message>
        <source>Nothing but zero comes in on {count} of {channels} input channels.</source>
        <translation>{channels} 个输入通道中有 {count} 个的输入恒为零。</translation>
    </message>
    <message>
        <source>Nothing comes out of {count} of {channels} output channels on any sample, bias left out.</source>
        <translation>不计偏置，{channels} 个输出通道中有 {count} 个在所有样本上均无输出。</translation>
    </message>
    <message>
        <source>One scale serves {channels} channels, and the widest has {range_ratio} the range of the median: half of them use at most {codes} of {all_codes} codes.</source>
        <translation>{channels} 个通道共用一个缩放因子，而最宽通道的范围是中位数的 {range_ratio}：一半的通道最多只用到 {all_codes} 个码值中的 {codes} 个。</translation>
    </message>
    <message>
        <source>Per channel</source>
        <translation>逐通道</translation>
    </message>
    <message>
        <source>Predicted for this layer: output SQNR {gain}, stored weight {change}. Ctrl+Z takes it back.</source>
        <translation>对该层的预测：输出 SQNR {gain}，权重存储 {change}。Ctrl+Z 可撤销。</translation>
    </message>
    <message>
        <source>Some weights are beyond 16-bit floats: the layer has to stay at 32 bits.</source>
        <translation>部分权重超出 16 位浮点范围：该层必须保持 32 位。</translation>
    </message>
    <message>
        <source>Static input</source>
        <translation>静态输入</translation>
    </message>
    <message>
        <source>Symmetric</source>
        <translation>对称</translation>
    </message>
    <message>
        <source>The input stays within {least_value} to {most_value}, and zero has to be on its grid: {code_share} of the codes are never used.</source>
        <translation>输入始终在 {least_value} 到 {most_value} 之间，而零必须落在量化网格上：{code_share} 的码值从未用到。</translation>
    </message>
    <message>
        <source>The input&apos;s range is {range_ratio} what 99.9 % of its values need: they get {codes} of 256 codes.</source>
        <translation>输入范围是其 99.9 % 数值所需范围的 {range_ratio}：这些数值只分到 256 个码值中的 {codes} 个。</translation>
    </message>
    <message>
        <source>The layer&apos;s input holds NaN or infinite values: the data or an earlier layer is at fault.</source>
        <translation>该层的输入含有 NaN 或无穷值：问题出在数据或前面的层。</translation>
    </message>
    <message>
        <source>The layer&apos;s input is always {input_value}.</source>
        <translation>该层的输入恒为 {input_value}。</translation>
    </message>
    <message>
        <source>The one scale is set by the largest weight, {rms_ratio} the RMS of all.</source>
        <translation>唯一的缩放因子由最大的权重决定，该权重是全体 RMS 的 {rms_ratio}。</translation>
    </message>
    <message>
        <source>The output is {sqnr_db} from float: noise is {noise_share} of its energy.</source>
        <translation>输出相对浮点为 {sqnr_db}：噪声占其能量的 {noise_share}。</translation>
    </message>
    <message>
        <source>The weight holds NaN or infinite values: the layer cannot be quantized.</source>
        <translation>权重含有 NaN 或无穷值：该层无法量化。</translation>
    </message>
    <message>
        <source>no loss</source>
        <translation>无损失</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
    <message>
        <source>{bits} bits would do: with them, the weight alone would still allow {sqnr_db}.</source>
        <translation>{bits} 位已足够：仅就权重而言仍可达到 {sqnr_db}。</translation>
    </message>
    <message>
        <source>{bits}-bit float</source>
        <translation>{bits} 位浮点</translation>
    </message>
    <message>
        <source>{error_share} of the error comes from the 8-bit input: with it, no weight gets beyond {input_db}.</source>
        <translation>{error_share} 的误差来自 8 位输入：在此输入下，任何权重位宽都无法超过 {input_db}。</translation>
    </message>
    <message>
        <source>{error_share} of the error comes from the {weight_share} of the weights that are clipped.</source>
        <translation>{error_share} 的误差来自被截断的 {weight_share} 权重。</translation>
    </message>
    <message>
        <source>{error_share} of the error comes from {count} of {channels} output channels, with a range like the others&apos;.</source>
        <translation>{error_share} 的误差来自 {channels} 个输出通道中的 {count} 个，其范围与其他通道相近。</translation>
    </message>
    <message>
        <source>{error_share} of the error comes from {count} of {channels} output channels, with {range_ratio} the median&apos;s range.</source>
        <translation>{error_share} 的误差来自 {channels} 个输出通道中的 {count} 个，其范围是中位数的 {range_ratio}。</translation>
    </message>
    <message>
        <source>{error_share} of the input&apos;s error comes from the {value_share} of its values that are clipped.</source>
        <translation>输入误差的 {error_share} 来自被截断的 {value_share} 数值。</translation>
    </message>
    <message>
        <source>{gain} dB</source>
        <translation>{gain} dB</translation>
    </message>
    <message>
        <source>{scale_share} of the scales are set by single large weights, {rms_ratio} the RMS of those that share them.</source>
        <translation>{scale_share} 的缩放因子由个别大权重决定，这些权重是共用该因子的权重 RMS 的 {rms_ratio}。</translation>
    </message>
    <message>
        <source>{value_share} of the input&apos;s values sit at its maximum of {most_value}: what comes before saturates.</source>
        <translation>{value_share} 的输入数值停在最大值 {most_value}：前面的运算已饱和。</translation>
    </message>
</context>
<context>
    <name>DiagnosisBox</name>
    <message>
        <source>Diagnosis of the layer</source>
        <translation>该层的诊断</translation>
    </message>
    <message>
        <source>No tensor of the graph shows this layer&apos;s input, so nothing can be said of it.</source>
        <translation>图中没有张量对应该层的输入，因此无法诊断。</translation>
    </message>
    <message>
        <source>Not diagnosed yet.</source>
        <translation>尚未诊断。</translation>
    </message>
    <message>
        <source>Nothing is lost here.</source>
        <translation>此处没有损失。</translation>
    </message>
    <message>
        <source>Nothing unusual: the output is {figure} dB from float.</source>
        <translation>未见异常：输出相对浮点为 {figure} dB。</translation>
    </message>
    <message>
        <source>Nothing unusual: with weights and input quantized, the output is {figure} dB from float.</source>
        <translation>未见异常：权重和输入均量化后，输出相对浮点为 {figure} dB。</translation>
    </message>
</context>
<context>
    <name>Distributions</name>
    <message>
        <source>A clip keeps the same share of every scale&apos;s range.</source>
        <translation>截断对每个缩放因子的范围保留相同比例。</translation>
    </message>
    <message>
        <source>Automatic: from calibration.</source>
        <translation>自动：来自校准。</translation>
    </message>
    <message>
        <source>Automatic: the full range.</source>
        <translation>自动：全范围。</translation>
    </message>
    <message>
        <source>Automatic: the smallest error.</source>
        <translation>自动：误差最小。</translation>
    </message>
    <message>
        <source>Automatic: without the tails.</source>
        <translation>自动：去除尾部。</translation>
    </message>
    <message>
        <source>Set by hand.</source>
        <translation>手动设定。</translation>
    </message>
    <message>
        <source>Set by hand: {percent:.1f} % of the full range is kept.</source>
        <translation>手动设定：保留全范围的 {percent:.1f} %。</translation>
    </message>
    <message>
        <source>The lines show the widest scale&apos;s range.</source>
        <translation>线条表示最宽缩放因子的范围。</translation>
    </message>
    <message>
        <source>The range belongs to the tensor, which is also read by {names}.</source>
        <translation>该范围属于张量，{names} 也读取此张量。</translation>
    </message>
    <message>
        <source>clip range</source>
        <translation>截断范围</translation>
    </message>
    <message>
        <source>clipped</source>
        <translation>被截断</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>input SQNR about</source>
        <translation>输入 SQNR 约</translation>
    </message>
    <message>
        <source>levels used</source>
        <translation>已用量化级</translation>
    </message>
    <message>
        <source>quantized</source>
        <translation>量化后</translation>
    </message>
    <message>
        <source>scale</source>
        <translation>缩放因子</translation>
    </message>
    <message>
        <source>values</source>
        <translation>数值个数</translation>
    </message>
    <message>
        <source>weight SQNR</source>
        <translation>权重 SQNR</translation>
    </message>
    <message>
        <source>widest scale</source>
        <translation>最宽缩放因子</translation>
    </message>
    <message>
        <source>{all} ({below} below, {above} above)</source>
        <translation>{all}（下侧 {below}，上侧 {above}）</translation>
    </message>
    <message>
        <source>{db} dB</source>
        <translation>{db} dB</translation>
    </message>
    <message>
        <source>{used} of {all}</source>
        <translation>{used} / {all}</translation>
    </message>
</context>
<context>
    <name>DistributionsPage</name>
    <message>
        <source>Floats are not rounded to a grid. Give the layer 8, 4 or 2 bits to see one.</source>
        <translation>浮点不会舍入到量化网格。将该层设为 8、4 或 2 位即可看到网格。</translation>
    </message>
    <message>
        <source>No layer selected</source>
        <translation>未选择层</translation>
    </message>
    <message>
        <source>Range of every output channel</source>
        <translation>各输出通道的范围</translation>
    </message>
    <message>
        <source>Reading…</source>
        <translation>正在读取…</translation>
    </message>
    <message>
        <source>Run the calibration data once, to see what every layer reads and where it is clipped.</source>
        <translation>用校准数据运行一遍，查看每一层的输入分布及其截断位置。</translation>
    </message>
    <message>
        <source>Select a layer in Layers × bits to see its weights and what it reads.</source>
        <translation>在“层 × 位宽”中选择一层，查看其权重和输入。</translation>
    </message>
    <message>
        <source>The {kernel} kernel does not fix this range. With the qlinear kernel, the lines can be dragged.</source>
        <translation>{kernel} 内核不固定此范围。使用 qlinear 内核时可以拖动线条。</translation>
    </message>
    <message>
        <source>What a layer reads is only known from data. Choose calibration data, then collect.</source>
        <translation>层的输入只能由数据得知。请选择校准数据，然后采集。</translation>
    </message>
    <message>
        <source>automatic clip</source>
        <translation>自动截断</translation>
    </message>
    <message>
        <source>automatic input range</source>
        <translation>自动输入范围</translation>
    </message>
    <message>
        <source>clip {percent:.1f} %</source>
        <translation>截断 {percent:.1f} %</translation>
    </message>
    <message>
        <source>input range {low:.3g} … {high:.3g}</source>
        <translation>输入范围 {low:.3g} … {high:.3g}</translation>
    </message>
    <message>
        <source>{detail} has no static integer kernel, so nothing of its input is fixed in the file.</source>
        <translation>{detail} 没有静态整数内核，因此文件中不会固定其输入范围。</translation>
    </message>
</context>
<context>
    <name>EditLayersDialog</name>
    <message numerus="yes">
        <source>%n layers are meant. Choose what they get.</source>
        <translation>
            <numerusform>将作用于 %n 层。请选择要应用的设置。</numerusform>
        </translation>
    </message>
    <message>
        <source>&amp;Name</source>
        <translation>名称(&amp;N)</translation>
    </message>
    <message>
        <source>&amp;Operator</source>
        <translation>算子(&amp;O)</translation>
    </message>
    <message>
        <source>&amp;Which layers</source>
        <translation>哪些层(&amp;W)</translation>
    </message>
    <message>
        <source>A part of the name in any case, or all of it with * and ?</source>
        <translation>名称的一部分（不区分大小写），或使用 * 和 ? 的完整名称</translation>
    </message>
    <message>
        <source>All layers ({count})</source>
        <translation>所有层（{count}）</translation>
    </message>
    <message>
        <source>Bits</source>
        <translation>位宽</translation>
    </message>
    <message>
        <source>By the range method</source>
        <translation>按范围方法</translation>
    </message>
    <message>
        <source>Clip the weights</source>
        <translation>截断权重</translation>
    </message>
    <message>
        <source>Edit layers</source>
        <translation>编辑层</translation>
    </message>
    <message>
        <source>Free</source>
        <translation>解锁</translation>
    </message>
    <message>
        <source>Keep {percent:.0f} % of the range</source>
        <translation>保留范围的 {percent:.0f} %</translation>
    </message>
    <message>
        <source>Kernel</source>
        <translation>内核</translation>
    </message>
    <message>
        <source>Layers by a part of their name</source>
        <translation>按名称的一部分选择层</translation>
    </message>
    <message>
        <source>Layers of one operator</source>
        <translation>某种算子的层</translation>
    </message>
    <message>
        <source>Leave as it is</source>
        <translation>保持不变</translation>
    </message>
    <message>
        <source>Lock</source>
        <translation>锁定</translation>
    </message>
    <message>
        <source>No layer is meant yet.</source>
        <translation>尚未选定任何层。</translation>
    </message>
    <message>
        <source>Rounding</source>
        <translation>舍入</translation>
    </message>
    <message>
        <source>Scales</source>
        <translation>缩放因子</translation>
    </message>
    <message>
        <source>Selected layers ({count})</source>
        <translation>选中的层（{count}）</translation>
    </message>
    <message>
        <source>layer1, or layer*.conv?</source>
        <translation>layer1，或 layer*.conv?</translation>
    </message>
    <message>
        <source>{effect}.</source>
        <translation>{effect}。</translation>
    </message>
    <message>
        <source>{name} ({count})</source>
        <translation>{name}（{count}）</translation>
    </message>
</context>
<context>
    <name>EngineTexts</name>
    <message>
        <source>28 × 28 grey pixels, normalized with the mean and standard deviation of MNIST.</source>
        <translation>28 × 28 灰度像素，用 MNIST 的均值和标准差归一化。</translation>
    </message>
    <message>
        <source>32 × 32 pixels, normalized with the mean and standard deviation of CIFAR-10.</source>
        <translation>32 × 32 像素，用 CIFAR-10 的均值和标准差归一化。</translation>
    </message>
    <message>
        <source>4-bit weights in groups of 128, symmetric, with float activations and standard operators only, so that every execution provider runs it. TensorRT accepts symmetric quantization alone, and INT4 for weights alone (NVIDIA TensorRT documentation, &quot;Working with Quantized Types&quot;); the asymmetric 8-bit activations that suit CPUs are not for it.</source>
        <translation>4 位权重，每 128 个一组，对称，浮点激活，仅用标准算子，因此任何执行提供程序都能运行。TensorRT 只接受对称量化，INT4 只用于权重（NVIDIA TensorRT 文档，&quot;Working with Quantized Types&quot;）；适合 CPU 的非对称 8 位激活不适用于它。</translation>
    </message>
    <message>
        <source>8-bit weights per channel and static 8-bit activations on integer kernels, in the full range: VNNI adds products in 32 bits, so nothing saturates (ONNX Runtime documentation, &quot;Quantize ONNX models&quot;: reduce_range is for processors without VNNI).</source>
        <translation>逐通道 8 位权重和静态 8 位激活，使用整数内核和全范围：VNNI 以 32 位累加乘积，因此不会饱和（ONNX Runtime 文档，&quot;Quantize ONNX models&quot;：reduce_range 用于没有 VNNI 的处理器）。</translation>
    </message>
    <message>
        <source>8-bit weights per channel and static 8-bit activations with standard operators, as XNNPACK on Arm and x86 phones supports them (PyTorch ExecuTorch documentation, &quot;XNNPACK Backend&quot;; ONNX Runtime documentation, &quot;XNNPACK Execution Provider&quot;).</source>
        <translation>逐通道 8 位权重和静态 8 位激活，使用标准算子，与 Arm 和 x86 手机上的 XNNPACK 所支持的一致（PyTorch ExecuTorch 文档，&quot;XNNPACK Backend&quot;；ONNX Runtime 文档，&quot;XNNPACK Execution Provider&quot;）。</translation>
    </message>
    <message>
        <source>As for servers, with weights within 7 bits: AVX2 and AVX512 without VNNI add pairs of 8-bit products in 16 bits, which saturate (ONNX Runtime documentation, &quot;Quantize ONNX models&quot;, reduce_range).</source>
        <translation>与服务器相同，但权重限制在 7 位以内：没有 VNNI 的 AVX2 和 AVX512 以 16 位累加成对的 8 位乘积，会发生饱和（ONNX Runtime 文档，&quot;Quantize ONNX models&quot;，reduce_range）。</translation>
    </message>
    <message>
        <source>Asking the service: {request}</source>
        <translation>正在请求服务：{request}</translation>
    </message>
    <message>
        <source>Binning {name}</source>
        <translation>正在统计 {name} 的直方图</translation>
    </message>
    <message>
        <source>Building the graph that gradients flow through</source>
        <translation>正在构建梯度计算图</translation>
    </message>
    <message>
        <source>CIFAR-10 (mean and std)</source>
        <translation>CIFAR-10（均值与标准差）</translation>
    </message>
    <message>
        <source>Calibrating: sample {done} of {total}</source>
        <translation>正在校准：样本 {done} / {total}</translation>
    </message>
    <message>
        <source>Checked {name}</source>
        <translation>已检查 {name}</translation>
    </message>
    <message>
        <source>Checking {name}</source>
        <translation>正在检查 {name}</translation>
    </message>
    <message>
        <source>Collecting moments of {count} layers: sample {done} of {total}</source>
        <translation>正在收集 {count} 层的矩：样本 {done} / {total}</translation>
    </message>
    <message>
        <source>Collecting statistics of {count} layers: sample {done} of {total}</source>
        <translation>正在收集 {count} 层的统计量：样本 {done} / {total}</translation>
    </message>
    <message>
        <source>Compared {count} samples</source>
        <translation>已对比 {count} 个样本</translation>
    </message>
    <message>
        <source>Comparing samples of {name} with float</source>
        <translation>正在将 {name} 的样本与浮点对比</translation>
    </message>
    <message>
        <source>Comparing the layers of {name}</source>
        <translation>正在逐层对比 {name}</translation>
    </message>
    <message>
        <source>Comparing with {name}</source>
        <translation>正在与 {name} 比较</translation>
    </message>
    <message>
        <source>Converting {name} from PyTorch</source>
        <translation>正在从 PyTorch 转换 {name}</translation>
    </message>
    <message>
        <source>Converting: {name}</source>
        <translation>正在转换：{name}</translation>
    </message>
    <message>
        <source>Copying {name}</source>
        <translation>正在复制 {name}</translation>
    </message>
    <message>
        <source>Counting the layers&apos; work</source>
        <translation>正在统计各层计算量</translation>
    </message>
    <message>
        <source>Cutting the graph</source>
        <translation>正在切分计算图</translation>
    </message>
    <message>
        <source>Diagnosed</source>
        <translation>诊断完成</translation>
    </message>
    <message>
        <source>Diagnosing {name}</source>
        <translation>正在诊断 {name}</translation>
    </message>
    <message>
        <source>Distilling on {device}</source>
        <translation>正在 {device} 上蒸馏</translation>
    </message>
    <message>
        <source>Distilling: step {done} of {total}, loss {loss}, held out {best} at best</source>
        <translation>正在蒸馏：第 {done} / {total} 步，损失 {loss}，留出样本最佳 {best}</translation>
    </message>
    <message>
        <source>Edge accelerator</source>
        <translation>边缘加速器</translation>
    </message>
    <message>
        <source>Equalizing weight ranges</source>
        <translation>正在均衡权重范围</translation>
    </message>
    <message>
        <source>Evaluated {name}</source>
        <translation>已评估 {name}</translation>
    </message>
    <message>
        <source>Evaluating {name}</source>
        <translation>正在评估 {name}</translation>
    </message>
    <message>
        <source>Everything static and 8-bit, as fixed-function hardware wants it: weights per channel between −127 and 127 with zero point 0, activations per tensor with a free zero point (Google LiteRT documentation, &quot;8-bit quantization specification&quot;). Ranges are what calibration saw, so that nothing clips.</source>
        <translation>全部静态 8 位，符合固定功能硬件的要求：权重逐通道，范围 −127 到 127，零点为 0；激活逐张量，零点任意（Google LiteRT 文档，&quot;8-bit quantization specification&quot;）。范围取校准所见的极值，因此不会截断。</translation>
    </message>
    <message>
        <source>Finding the front</source>
        <translation>正在求前沿</translation>
    </message>
    <message>
        <source>GPU server</source>
        <translation>GPU 服务器</translation>
    </message>
    <message>
        <source>Gradients: sample {done} of {total}</source>
        <translation>正在计算梯度：样本 {done} / {total}</translation>
    </message>
    <message>
        <source>Has the bits of {layer}, which is locked and shares its weight</source>
        <translation>与 {layer} 位数相同：该层已锁定，且与之共享权重</translation>
    </message>
    <message>
        <source>Hashing {name}</source>
        <translation>正在计算 {name} 的哈希</translation>
    </message>
    <message>
        <source>ImageNet 299, Inception (−1…1)</source>
        <translation>ImageNet 299，Inception（−1…1）</translation>
    </message>
    <message>
        <source>ImageNet, Caffe (BGR, mean subtracted)</source>
        <translation>ImageNet，Caffe（BGR，减去均值）</translation>
    </message>
    <message>
        <source>ImageNet, PyTorch (mean and std)</source>
        <translation>ImageNet，PyTorch（均值与标准差）</translation>
    </message>
    <message>
        <source>ImageNet, TensorFlow (−1…1)</source>
        <translation>ImageNet，TensorFlow（−1…1）</translation>
    </message>
    <message>
        <source>Inception v3, Inception-ResNet and Xception: 299 × 299 pixels.</source>
        <translation>Inception v3、Inception-ResNet 和 Xception：299 × 299 像素。</translation>
    </message>
    <message>
        <source>Laying out the graph</source>
        <translation>正在布局计算图</translation>
    </message>
    <message>
        <source>Loading {name}</source>
        <translation>正在加载 {name}</translation>
    </message>
    <message>
        <source>MNIST (mean and std)</source>
        <translation>MNIST（均值与标准差）</translation>
    </message>
    <message>
        <source>Measured {name}</source>
        <translation>已测量 {name}</translation>
    </message>
    <message>
        <source>Measuring</source>
        <translation>正在测量</translation>
    </message>
    <message>
        <source>Measuring plan {number}</source>
        <translation>正在测量第 {number} 个方案</translation>
    </message>
    <message>
        <source>Measuring the memory of {name}</source>
        <translation>正在测量 {name} 的内存</translation>
    </message>
    <message>
        <source>Mobile</source>
        <translation>移动端</translation>
    </message>
    <message>
        <source>Nothing but the size: for networks that normalize inside.</source>
        <translation>仅调整尺寸：用于内部自行归一化的网络。</translation>
    </message>
    <message>
        <source>Observing shapes</source>
        <translation>正在推断形状</translation>
    </message>
    <message>
        <source>Older CPU without VNNI</source>
        <translation>没有 VNNI 的旧 CPU</translation>
    </message>
    <message>
        <source>Packing {name}</source>
        <translation>正在打包 {name}</translation>
    </message>
    <message>
        <source>Pixels divided by 255.</source>
        <translation>像素除以 255。</translation>
    </message>
    <message>
        <source>Preparing inputs</source>
        <translation>正在准备输入</translation>
    </message>
    <message>
        <source>Preparing to distill</source>
        <translation>正在准备蒸馏</translation>
    </message>
    <message>
        <source>Preparing to reconstruct blocks</source>
        <translation>正在准备逐块重建</translation>
    </message>
    <message>
        <source>Preparing to round by the layers&apos; inputs</source>
        <translation>正在准备依据各层输入舍入</translation>
    </message>
    <message>
        <source>Probing {name}</source>
        <translation>正在探测 {name}</translation>
    </message>
    <message>
        <source>Quantizing {name}</source>
        <translation>正在量化 {name}</translation>
    </message>
    <message>
        <source>Raw pixels (0…1)</source>
        <translation>原始像素（0…1）</translation>
    </message>
    <message>
        <source>Raw pixels (0…255)</source>
        <translation>原始像素（0…255）</translation>
    </message>
    <message>
        <source>Reading the graph</source>
        <translation>正在读取计算图</translation>
    </message>
    <message>
        <source>Reading {name}</source>
        <translation>正在读取 {name}</translation>
    </message>
    <message>
        <source>Reconstructing block {block} of {blocks}: step {done} of {total}, error {start}, {best} at best</source>
        <translation>正在重建第 {block} / {blocks} 块：第 {done} / {total} 步，误差 {start}，最佳 {best}</translation>
    </message>
    <message>
        <source>Reconstructing blocks on {device}</source>
        <translation>正在 {device} 上逐块重建</translation>
    </message>
    <message>
        <source>Rounding {name}</source>
        <translation>正在舍入 {name}</translation>
    </message>
    <message>
        <source>Running predict.py</source>
        <translation>正在运行 predict.py</translation>
    </message>
    <message>
        <source>Running the float model</source>
        <translation>正在运行浮点模型</translation>
    </message>
    <message>
        <source>Searching input scales of {name}</source>
        <translation>正在搜索 {name} 的输入缩放</translation>
    </message>
    <message>
        <source>Server CPU with VNNI</source>
        <translation>带 VNNI 的服务器 CPU</translation>
    </message>
    <message>
        <source>Simulating {name}</source>
        <translation>正在模拟 {name}</translation>
    </message>
    <message>
        <source>Smoothing: sample {done} of {total}</source>
        <translation>正在平滑：样本 {done} / {total}</translation>
    </message>
    <message>
        <source>Starting the service</source>
        <translation>正在启动服务</translation>
    </message>
    <message>
        <source>The GPU ({name}) failed ({reason}), so training continued on the CPU.</source>
        <translation>GPU（{name}）出错（{reason}），因此训练在 CPU 上继续。</translation>
    </message>
    <message>
        <source>The GPU ({name}) has {free} of free memory, training needs about {needed}, so it ran on the CPU.</source>
        <translation>GPU（{name}）有 {free} 可用显存，训练约需 {needed}，因此改在 CPU 上训练。</translation>
    </message>
    <message>
        <source>The GPU ({name}) ran out of memory, so training continued on the CPU.</source>
        <translation>GPU（{name}）显存不足，因此训练在 CPU 上继续。</translation>
    </message>
    <message>
        <source>The GPU cannot be used ({reason}), so training ran on the CPU.</source>
        <translation>无法使用 GPU（{reason}），因此在 CPU 上训练。</translation>
    </message>
    <message>
        <source>The file has {count} bytes, {predicted} were predicted.</source>
        <translation>文件为 {count} 字节，预测为 {predicted} 字节。</translation>
    </message>
    <message>
        <source>The result is far from float: SQNR {figure} dB on {count} samples. Give fragile layers more bits, then compare.</source>
        <translation>结果与浮点相差很远：{count} 个样本上的 SQNR 为 {figure} dB。请为敏感的层提高位宽，然后再对比。</translation>
    </message>
    <message>
        <source>The result loads in ONNX Runtime but was not compared with float: the source is too large, or does not run on drawn inputs. Compare it on data: bitsmith evaluate.</source>
        <translation>结果可在 ONNX Runtime 中加载，但未与浮点对比：源模型太大，或无法用随机输入运行。请用数据对比：bitsmith evaluate。</translation>
    </message>
    <message>
        <source>The whole image, fitted into 640 × 640 pixels with a grey border.</source>
        <translation>整幅图像，加灰边缩放到 640 × 640 像素。</translation>
    </message>
    <message>
        <source>Timed {count} models</source>
        <translation>已为 {count} 个模型计时</translation>
    </message>
    <message>
        <source>Timing a few layers</source>
        <translation>正在试测若干层</translation>
    </message>
    <message>
        <source>Timing a few samples</source>
        <translation>正在试测若干样本</translation>
    </message>
    <message>
        <source>Timing {count} versions of {name} in turn</source>
        <translation>正在为 {name} 的 {count} 个版本交替计时</translation>
    </message>
    <message>
        <source>Timing {name} and the float model, node by node</source>
        <translation>正在为 {name} 和浮点模型逐节点计时</translation>
    </message>
    <message>
        <source>Trying all processors</source>
        <translation>正在尝试使用全部处理器</translation>
    </message>
    <message>
        <source>Trying {name}</source>
        <translation>正在尝试 {name}</translation>
    </message>
    <message>
        <source>VGG, SqueezeNet and other networks of Caffe: blue first, 0…255 less the mean.</source>
        <translation>VGG、SqueezeNet 等 Caffe 网络：蓝色通道在前，0…255 减去均值。</translation>
    </message>
    <message>
        <source>Verifying: checking the file</source>
        <translation>正在验证：检查文件</translation>
    </message>
    <message>
        <source>Verifying: comparing outputs with float</source>
        <translation>正在验证：与浮点对比输出</translation>
    </message>
    <message>
        <source>Verifying: loading the model in a process of its own</source>
        <translation>正在验证：在独立进程中加载模型</translation>
    </message>
    <message>
        <source>What MobileNet, EfficientNet-Lite and other networks of TensorFlow were trained with.</source>
        <translation>MobileNet、EfficientNet-Lite 等 TensorFlow 网络训练时所用的设置。</translation>
    </message>
    <message>
        <source>What torchvision and timm networks such as ResNet, MobileNetV3 and ViT were trained with.</source>
        <translation>ResNet、MobileNetV3、ViT 等 torchvision 和 timm 网络训练时所用的设置。</translation>
    </message>
    <message>
        <source>Writing {name}</source>
        <translation>正在写入 {name}</translation>
    </message>
    <message>
        <source>YOLO (letterbox, 0…1)</source>
        <translation>YOLO（加边缩放，0…1）</translation>
    </message>
    <message>
        <source>int8 activations suit ARM processors. Choose uint8 for x86: it is faster, the results are equal.</source>
        <translation>int8 激活值适合 ARM 处理器。x86 请选择 uint8：更快，结果相同。</translation>
    </message>
    <message>
        <source>nothing else is allowed</source>
        <translation>不允许其他位宽</translation>
    </message>
    <message>
        <source>{bits} bits would save {size} and add {share}</source>
        <translation>改为 {bits} 位可节省 {size}，但损失增加 {share}</translation>
    </message>
    <message>
        <source>{bits} bits would save {size} and make that loss {factor} times as large</source>
        <translation>改为 {bits} 位可节省 {size}，但该损失变为 {factor} 倍</translation>
    </message>
    <message>
        <source>{bits} bits would save {size} and remove {share}</source>
        <translation>改为 {bits} 位可节省 {size}，且损失减少 {share}</translation>
    </message>
    <message>
        <source>{bits} bits would take {size} more and add {share}</source>
        <translation>改为 {bits} 位要多占 {size}，且损失增加 {share}</translation>
    </message>
    <message>
        <source>{bits} bits would take {size} more and make that loss {factor} times as large</source>
        <translation>改为 {bits} 位要多占 {size}，且该损失变为 {factor} 倍</translation>
    </message>
    <message>
        <source>{bits} bits would take {size} more and remove {share}</source>
        <translation>改为 {bits} 位要多占 {size}，可减少损失 {share}</translation>
    </message>
    <message>
        <source>{bits} bits: {share} of the plan&apos;s predicted loss</source>
        <translation>{bits} 位：占方案预测损失的 {share}</translation>
    </message>
    <message>
        <source>{count} layers</source>
        <translation>{count} 层</translation>
    </message>
    <message>
        <source>{count} layers compared</source>
        <translation>已对比 {count} 层</translation>
    </message>
    <message>
        <source>{count} of {total} layers were meant for an integer kernel and run in float (first: {name}).</source>
        <translation>{total} 层中有 {count} 层本应使用整数内核，却以浮点运行（第一个：{name}）。</translation>
    </message>
    <message>
        <source>{first}; {second}</source>
        <translation>{first}；{second}</translation>
    </message>
    <message>
        <source>{sentence}.</source>
        <translation>{sentence}。</translation>
    </message>
</context>
<context>
    <name>ExportDialog</name>
    <message>
        <source>A file, or all that runs it on another computer</source>
        <translation>一个文件，或在另一台计算机上运行所需的全部内容</translation>
    </message>
    <message>
        <source>A folder must not end in .zip. Choose another name, or the .zip.</source>
        <translation>文件夹名不能以 .zip 结尾。请另选名称，或选择 .zip。</translation>
    </message>
    <message>
        <source>Activation ranges (.calib)</source>
        <translation>激活范围 (.calib)</translation>
    </message>
    <message>
        <source>Also</source>
        <translation>同时输出</translation>
    </message>
    <message>
        <source>Collected from the calibration data once more; makes the model again</source>
        <translation>用校准数据重新采集；据此可重现该模型</translation>
    </message>
    <message>
        <source>Converts once more with the same bits. Layers on operators of com.microsoft get standard ones.</source>
        <translation>以相同位宽再转换一次。使用 com.microsoft 算子的层改用标准算子。</translation>
    </message>
    <message>
        <source>Converts once more. The weights stay packed; engine/pytorch/packed.py loads and runs them.</source>
        <translation>再转换一次。权重保持打包；由 engine/pytorch/packed.py 加载和运行。</translation>
    </message>
    <message>
        <source>Copies the model with its plan, so that the result can be made again, and its manifest: sizes, SHA-256 and what was measured.</source>
        <translation>复制模型及其方案（可据此重现结果）和清单：大小、SHA-256 及测量结果。</translation>
    </message>
    <message>
        <source>Deployment bundle: a folder</source>
        <translation>部署包：文件夹</translation>
    </message>
    <message>
        <source>Deployment bundle: one .zip</source>
        <translation>部署包：单个 .zip</translation>
    </message>
    <message>
        <source>Export</source>
        <translation>导出</translation>
    </message>
    <message>
        <source>Export as</source>
        <translation>导出为</translation>
    </message>
    <message>
        <source>Exported file or folder</source>
        <translation>导出的文件或文件夹</translation>
    </message>
    <message>
        <source>Model as it is, with plan and manifest</source>
        <translation>模型原样，附方案和清单</translation>
    </message>
    <message>
        <source>Model, preprocessing, manifest with checksums, an inference script, an HTTP service and their requirements. Both are run here on a sample, and must predict what the workbench predicts, before the bundle gets its name.</source>
        <translation>包含模型、预处理、带校验和的清单、推理脚本、HTTP 服务及其依赖。脚本和服务都会先在此用一个样本试运行，预测须与工作台一致，部署包才会定名。</translation>
    </message>
    <message>
        <source>Name</source>
        <translation>名称</translation>
    </message>
    <message>
        <source>Name of the model in the bundle: letters, digits, &apos;.&apos;, &apos;_&apos; and &apos;-&apos;</source>
        <translation>部署包中模型的名称：字母、数字、&apos;.&apos;、&apos;_&apos; 和 &apos;-&apos;</translation>
    </message>
    <message>
        <source>ONNX models (*.onnx);;Packed PyTorch weights (*.safetensors);;Bundles (*.zip);;All files (*)</source>
        <translation>ONNX 模型 (*.onnx);;PyTorch 打包权重 (*.safetensors);;部署包 (*.zip);;所有文件 (*)</translation>
    </message>
    <message>
        <source>One page that shows what was done and measured, with the commands</source>
        <translation>单页报告，展示所做操作、测量结果及对应命令</translation>
    </message>
    <message>
        <source>Packed PyTorch weights (.safetensors)</source>
        <translation>PyTorch 打包权重 (.safetensors)</translation>
    </message>
    <message>
        <source>Portable ONNX: standard operators only</source>
        <translation>可移植 ONNX：仅标准算子</translation>
    </message>
    <message>
        <source>Report (.html)</source>
        <translation>报告 (.html)</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>Save as</source>
        <translation>保存为</translation>
    </message>
    <message>
        <source>Semantic Version of the model, such as 1.0.0 or 1.1.0-rc.1</source>
        <translation>模型的语义化版本号，例如 1.0.0 或 1.1.0-rc.1</translation>
    </message>
    <message>
        <source>The converted model that is exported</source>
        <translation>要导出的转换后模型</translation>
    </message>
    <message>
        <source>The name of the exported file must end in {suffix}.</source>
        <translation>导出文件名必须以 {suffix} 结尾。</translation>
    </message>
    <message>
        <source>This is the result itself. Choose another name or folder.</source>
        <translation>这就是结果文件本身。请另选名称或文件夹。</translation>
    </message>
    <message>
        <source>Version</source>
        <translation>版本</translation>
    </message>
    <message>
        <source>{name} exists already. Choose another name.</source>
        <translation>{name} 已存在。请另选名称。</translation>
    </message>
</context>
<context>
    <name>Exporter</name>
    <message>
        <source>Bundle {name} {version}</source>
        <translation>打包 {name} {version}</translation>
    </message>
    <message>
        <source>Calibration ranges are written. Tensors: {tensors}, samples: {samples}.</source>
        <translation>已写入校准范围。张量：{tensors} 个，样本：{samples} 个。</translation>
    </message>
    <message>
        <source>Collect activation ranges</source>
        <translation>采集激活范围</translation>
    </message>
    <message>
        <source>Convert to {name}</source>
        <translation>转换为 {name}</translation>
    </message>
    <message>
        <source>Report</source>
        <translation>报告</translation>
    </message>
    <message>
        <source>The report is {path} ({size}, one file).</source>
        <translation>报告为 {path}（{size}，单个文件）。</translation>
    </message>
    <message>
        <source>Verified: predict.py and the service answered class {number}{name}, as here, for {sample}.</source>
        <translation>已验证：对 {sample}，predict.py 和服务均给出类别 {number}{name}，与此处一致。</translation>
    </message>
    <message>
        <source>Verified: predict.py and the service gave the outputs of the workbench for {sample}.</source>
        <translation>已验证：对 {sample}，predict.py 和服务的输出与工作台一致。</translation>
    </message>
    <message>
        <source>{name} ({size}), its plan and its manifest are in {folder}.</source>
        <translation>{name}（{size}）及其方案和清单位于 {folder}。</translation>
    </message>
    <message>
        <source>{name}, its plan and its manifest are in {folder}.</source>
        <translation>{name} 及其方案和清单位于 {folder}。</translation>
    </message>
    <message>
        <source>{path}: {count} files, {size}.</source>
        <translation>{path}：{count} 个文件，{size}。</translation>
    </message>
</context>
<context>
    <name>GraphCanvas</name>
    <message>
        <source>Arrow keys follow edges, Enter expands and collapses, plus and minus zoom, F shows everything</source>
        <translation>方向键沿边移动，Enter 展开或折叠，加减号缩放，F 显示全图</translation>
    </message>
    <message>
        <source>Graph of the network</source>
        <translation>网络结构图</translation>
    </message>
</context>
<context>
    <name>GraphColours</name>
    <message>
        <source>Colour: bits</source>
        <translation>颜色：位宽</translation>
    </message>
    <message>
        <source>Colour: share of the error</source>
        <translation>颜色：误差占比</translation>
    </message>
    <message>
        <source>Colour: stored size</source>
        <translation>颜色：存储大小</translation>
    </message>
    <message>
        <source>Colour: time per call</source>
        <translation>颜色：单次调用耗时</translation>
    </message>
    <message>
        <source>Colour: {metric}</source>
        <translation>颜色：{metric}</translation>
    </message>
    <message>
        <source>colour: its largest layer</source>
        <translation>颜色：组内最大的层</translation>
    </message>
    <message>
        <source>colour: its most fragile layer</source>
        <translation>颜色：组内最敏感的层</translation>
    </message>
    <message>
        <source>colour: its slowest layer</source>
        <translation>颜色：组内最慢的层</translation>
    </message>
    <message>
        <source>colour: mean of its layers</source>
        <translation>颜色：组内各层均值</translation>
    </message>
    <message>
        <source>colour: the layer with the largest share</source>
        <translation>颜色：占比最大的层</translation>
    </message>
    <message>
        <source>robust {figure}</source>
        <translation>鲁棒 {figure}</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
    <message>
        <source>{figure} fragile</source>
        <translation>{figure} 敏感</translation>
    </message>
</context>
<context>
    <name>GraphFeed</name>
    <message>
        <source>The graph could not be laid out.</source>
        <translation>无法对图进行布局。</translation>
    </message>
</context>
<context>
    <name>GraphLegend</name>
    <message>
        <source>Dark blue: {low}, yellow: {high}; hatched boxes were not measured</source>
        <translation>深蓝：{low}，黄色：{high}；阴影线方框未测量</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
</context>
<context>
    <name>GraphPage</name>
    <message numerus="yes">
        <source>%n found</source>
        <translation>
            <numerusform>找到 %n 个</numerusform>
        </translation>
    </message>
    <message>
        <source>Collapse all</source>
        <translation>全部折叠</translation>
    </message>
    <message>
        <source>Colour of the boxes</source>
        <translation>方框颜色</translation>
    </message>
    <message>
        <source>Expand all</source>
        <translation>全部展开</translation>
    </message>
    <message>
        <source>Find a node</source>
        <translation>查找节点</translation>
    </message>
    <message>
        <source>Find a node… (Ctrl+F)</source>
        <translation>查找节点… (Ctrl+F)</translation>
    </message>
    <message>
        <source>Fit</source>
        <translation>适应窗口</translation>
    </message>
    <message>
        <source>Mark nodes whose name or operator contains this; Enter goes on</source>
        <translation>标出名称或算子包含此文本的节点；Enter 转到下一个</translation>
    </message>
    <message>
        <source>Show every group as one box</source>
        <translation>将每个组显示为一个方框</translation>
    </message>
    <message>
        <source>Show the nodes of all groups</source>
        <translation>显示所有组中的节点</translation>
    </message>
    <message>
        <source>Show the whole graph (F)</source>
        <translation>显示全图 (F)</translation>
    </message>
    <message>
        <source>The graph is being laid out…</source>
        <translation>正在布局…</translation>
    </message>
    <message>
        <source>What the colours of the boxes say</source>
        <translation>方框颜色所表示的量</translation>
    </message>
    <message>
        <source>nothing found</source>
        <translation>未找到</translation>
    </message>
</context>
<context>
    <name>GraphTexts</name>
    <message numerus="yes">
        <source>%n layers</source>
        <translation>
            <numerusform>%n 层</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n layers inside</source>
        <translation>
            <numerusform>内含 %n 层</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n nodes</source>
        <translation>
            <numerusform>%n 个节点</numerusform>
        </translation>
    </message>
    <message>
        <source>Enter or a double click expands it</source>
        <translation>按 Enter 或双击展开</translation>
    </message>
    <message>
        <source>float, nothing is lost</source>
        <translation>浮点，无损失</translation>
    </message>
    <message>
        <source>its bodies are not drawn</source>
        <translation>其子图未绘出</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
    <message>
        <source>{count} weights</source>
        <translation>{count} 个权重</translation>
    </message>
    <message>
        <source>{title} at {bits} bits</source>
        <translation>{title}，{bits} 位</translation>
    </message>
</context>
<context>
    <name>HistogramFeed</name>
    <message>
        <source>This cannot be shown, because of a bug in Bitsmith.</source>
        <translation>由于 Bitsmith 的程序错误，无法显示。</translation>
    </message>
</context>
<context>
    <name>HistogramPlot</name>
    <message>
        <source>Histogram of the weights</source>
        <translation>权重直方图</translation>
    </message>
    <message>
        <source>input value</source>
        <translation>输入值</translation>
    </message>
    <message>
        <source>log10(1 + values per bin)</source>
        <translation>log10(1 + 每区间数值个数)</translation>
    </message>
    <message>
        <source>log10(1 + weights per bin)</source>
        <translation>log10(1 + 每区间权重个数)</translation>
    </message>
    <message>
        <source>values per bin</source>
        <translation>每区间数值个数</translation>
    </message>
    <message>
        <source>weight</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>weights per bin</source>
        <translation>每区间权重个数</translation>
    </message>
</context>
<context>
    <name>HistoryModel</name>
    <message>
        <source>Compare</source>
        <translation>对比</translation>
    </message>
    <message>
        <source>Counts the conversions of this project</source>
        <translation>本项目的转换序号</translation>
    </message>
    <message>
        <source>File size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>File that was written</source>
        <translation>写出的文件</translation>
    </message>
    <message>
        <source>From</source>
        <translation>来自</translation>
    </message>
    <message>
        <source>Half of the calls are faster</source>
        <translation>一半的调用快于此值</translation>
    </message>
    <message>
        <source>How many layers have how many bits</source>
        <translation>各位宽的层数</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>Note</source>
        <translation>备注</translation>
    </message>
    <message>
        <source>Of the outputs against float</source>
        <translation>输出相对浮点</translation>
    </message>
    <message>
        <source>P50 ms</source>
        <translation>P50 ms</translation>
    </message>
    <message>
        <source>Pinned runs stand first</source>
        <translation>置顶的记录排在最前</translation>
    </message>
    <message>
        <source>Plan</source>
        <translation>方案</translation>
    </message>
    <message>
        <source>Run</source>
        <translation>记录</translation>
    </message>
    <message>
        <source>SQNR dB</source>
        <translation>SQNR dB</translation>
    </message>
    <message>
        <source>Share of samples whose label is predicted</source>
        <translation>预测正确的样本比例</translation>
    </message>
    <message>
        <source>Size on disk</source>
        <translation>磁盘占用</translation>
    </message>
    <message>
        <source>The run whose plan this one&apos;s was derived from</source>
        <translation>此方案所派生自的记录</translation>
    </message>
    <message>
        <source>This file is not there any more, or it was changed.</source>
        <translation>此文件已不存在或已被修改。</translation>
    </message>
    <message>
        <source>Top-1 %</source>
        <translation>Top-1 %</translation>
    </message>
    <message>
        <source>When</source>
        <translation>时间</translation>
    </message>
    <message>
        <source>When it was converted</source>
        <translation>转换时间</translation>
    </message>
    <message>
        <source>Whether Compare and Benchmark show it</source>
        <translation>是否在“对比”和“基准测试”中显示</translation>
    </message>
    <message>
        <source>Yours; edit it with F2 or a double click</source>
        <translation>您的备注；按 F2 或双击编辑</translation>
    </message>
    <message>
        <source>deleted</source>
        <translation>已删除</translation>
    </message>
    <message>
        <source>pinned</source>
        <translation>已置顶</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
    <message>
        <source>{counts} bits</source>
        <translation>{counts} 位</translation>
    </message>
</context>
<context>
    <name>HistoryPage</name>
    <message numerus="yes">
        <source>%n runs, none is ever overwritten</source>
        <translation>
            <numerusform>%n 条记录，从不覆盖</numerusform>
        </translation>
    </message>
    <message>
        <source>Cannot delete {path}: {reason}. The run stays in the history.</source>
        <translation>无法删除 {path}：{reason}。该记录保留在历史中。</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>删除</translation>
    </message>
    <message>
        <source>Delete from the history: run {numbers}? This cannot be undone.</source>
        <translation>从历史中删除记录 {numbers}？此操作无法撤销。</translation>
    </message>
    <message>
        <source>Delete with files</source>
        <translation>连同文件一起删除</translation>
    </message>
    <message>
        <source>Its files lie in the folder of the project: {files}</source>
        <translation>其文件位于项目文件夹中：{files}</translation>
    </message>
    <message>
        <source>No runs yet. Every conversion is kept here with its plan and what was measured on it.</source>
        <translation>尚无记录。每次转换及其方案和测量结果都会保存在这里。</translation>
    </message>
    <message>
        <source>Runs of this project</source>
        <translation>本项目的记录</translation>
    </message>
    <message>
        <source>The plan is that of run {number}.</source>
        <translation>当前方案取自记录 {number}。</translation>
    </message>
    <message>
        <source>plan of run {number}</source>
        <translation>采用记录 {number} 的方案</translation>
    </message>
    <message>
        <source>{path} is not there any more, or it was changed. It cannot be compared.</source>
        <translation>{path} 已不存在或已被修改，无法对比。</translation>
    </message>
</context>
<context>
    <name>Inspector</name>
    <message>
        <source>AdaRound: learnt</source>
        <translation>AdaRound：学习得到</translation>
    </message>
    <message>
        <source>Asymmetric</source>
        <translation>非对称</translation>
    </message>
    <message>
        <source>Bits</source>
        <translation>位宽</translation>
    </message>
    <message>
        <source>Bits of the weights</source>
        <translation>权重位宽</translation>
    </message>
    <message>
        <source>Clipped by hand</source>
        <translation>手动截断</translation>
    </message>
    <message>
        <source>Figures of the plan as it was assigned; layers were changed by hand since.</source>
        <translation>以上数值属于分配时的方案；此后有层被手动修改。</translation>
    </message>
    <message>
        <source>Full range (min–max)</source>
        <translation>全范围 (min–max)</translation>
    </message>
    <message>
        <source>GPTQ: by what it reads</source>
        <translation>GPTQ：依据该层输入</translation>
    </message>
    <message>
        <source>Group size</source>
        <translation>分组大小</translation>
    </message>
    <message>
        <source>Groups</source>
        <translation>分组</translation>
    </message>
    <message>
        <source>How the clipping range is chosen</source>
        <translation>截断范围的选取方式</translation>
    </message>
    <message>
        <source>How the codes are chosen</source>
        <translation>码值的选取方式</translation>
    </message>
    <message>
        <source>How the layer is computed</source>
        <translation>该层的计算方式</translation>
    </message>
    <message>
        <source>Kernel</source>
        <translation>内核</translation>
    </message>
    <message>
        <source>Loses</source>
        <translation>损失</translation>
    </message>
    <message>
        <source>MACs</source>
        <translation>MAC 数</translation>
    </message>
    <message>
        <source>No layer selected</source>
        <translation>未选择层</translation>
    </message>
    <message>
        <source>Parameters</source>
        <translation>参数量</translation>
    </message>
    <message>
        <source>Per channel</source>
        <translation>逐通道</translation>
    </message>
    <message>
        <source>Per tensor</source>
        <translation>逐张量</translation>
    </message>
    <message>
        <source>Range</source>
        <translation>范围</translation>
    </message>
    <message>
        <source>Rounding</source>
        <translation>舍入</translation>
    </message>
    <message>
        <source>Scales</source>
        <translation>缩放因子</translation>
    </message>
    <message>
        <source>Select a layer to see and change how it is quantized.</source>
        <translation>选择一层，查看并修改其量化方式。</translation>
    </message>
    <message>
        <source>Selected layer</source>
        <translation>选中的层</translation>
    </message>
    <message>
        <source>Smallest error (MSE)</source>
        <translation>误差最小 (MSE)</translation>
    </message>
    <message>
        <source>Stored</source>
        <translation>存储</translation>
    </message>
    <message>
        <source>Symmetric</source>
        <translation>对称</translation>
    </message>
    <message>
        <source>To the nearest code</source>
        <translation>舍入到最近码值</translation>
    </message>
    <message>
        <source>Weight</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>Weights and {bits}-bit grid</source>
        <translation>权重与 {bits} 位量化网格</translation>
    </message>
    <message>
        <source>Weights that share a scale</source>
        <translation>共用一个缩放因子的权重数</translation>
    </message>
    <message>
        <source>Where the zero point is</source>
        <translation>零点的位置</translation>
    </message>
    <message>
        <source>Who shares a scale</source>
        <translation>缩放因子的共用范围</translation>
    </message>
    <message>
        <source>Why these bits</source>
        <translation>为何选择此位宽</translation>
    </message>
    <message>
        <source>Without tails (percentile)</source>
        <translation>去除尾部 (percentile)</translation>
    </message>
    <message>
        <source>Zero point</source>
        <translation>零点</translation>
    </message>
    <message>
        <source>dynamic INT8</source>
        <translation>动态 INT8</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>nbits: packed in memory</source>
        <translation>nbits：内存中保持打包</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>nothing</source>
        <translation>无</translation>
    </message>
    <message>
        <source>qlinear: static INT8</source>
        <translation>qlinear：静态 INT8</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
    <message>
        <source>{bits} bits, float</source>
        <translation>{bits} 位浮点</translation>
    </message>
    <message>
        <source>{name} {figure}</source>
        <translation>{name} {figure}</translation>
    </message>
    <message>
        <source>{n} per sample</source>
        <translation>{n} / 样本</translation>
    </message>
    <message>
        <source>{size}  (float {float_size})</source>
        <translation>{size}  （浮点 {float_size}）</translation>
    </message>
    <message>
        <source>{size} weights</source>
        <translation>{size} 个权重</translation>
    </message>
</context>
<context>
    <name>JobAlert</name>
    <message>
        <source>Bitsmith</source>
        <translation>Bitsmith</translation>
    </message>
    <message>
        <source>{title}: done</source>
        <translation>{title}：完成</translation>
    </message>
    <message>
        <source>{title}: failed</source>
        <translation>{title}：失败</translation>
    </message>
</context>
<context>
    <name>JobPanel</name>
    <message>
        <source>Cancel</source>
        <translation>取消</translation>
    </message>
    <message>
        <source>Log</source>
        <translation>日志</translation>
    </message>
    <message>
        <source>Progress of the job</source>
        <translation>任务进度</translation>
    </message>
    <message>
        <source>Ready</source>
        <translation>就绪</translation>
    </message>
    <message>
        <source>Show or hide what happened so far</source>
        <translation>显示或隐藏迄今的日志</translation>
    </message>
    <message>
        <source>Stop the job; what is finished is kept (Esc)</source>
        <translation>停止任务；已完成的部分会保留 (Esc)</translation>
    </message>
    <message>
        <source>cancelled</source>
        <translation>已取消</translation>
    </message>
    <message>
        <source>cancelling…</source>
        <translation>正在取消…</translation>
    </message>
    <message>
        <source>done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>failed: a bug in Bitsmith</source>
        <translation>失败：Bitsmith 程序错误</translation>
    </message>
    <message>
        <source>failed: {text}</source>
        <translation>失败：{text}</translation>
    </message>
    <message>
        <source>{count} · {left} left</source>
        <translation>{count} · 剩余 {left}</translation>
    </message>
    <message>
        <source>{done} of {total}</source>
        <translation>{done} / {total}</translation>
    </message>
    <message>
        <source>{text} ({time})</source>
        <translation>{text}（{time}）</translation>
    </message>
    <message>
        <source>{title}: {outcome}</source>
        <translation>{title}：{outcome}</translation>
    </message>
</context>
<context>
    <name>Key</name>
    <message>
        <source>Best plans: nothing as small loses less, as predicted from the cells</source>
        <translation>最优方案：按单元格预测，同样大小下没有损失更小的方案</translation>
    </message>
    <message>
        <source>Measured plans: run on data, with a line to what was predicted of them</source>
        <translation>实测方案：在数据上运行得到，连线指向对应的预测值</translation>
    </message>
</context>
<context>
    <name>KeysDialog</name>
    <message>
        <source>+  −</source>
        <translation>+  −</translation>
    </message>
    <message>
        <source>0</source>
        <translation>0</translation>
    </message>
    <message>
        <source>All keys</source>
        <translation>所有快捷键</translation>
    </message>
    <message>
        <source>Alt and a letter</source>
        <translation>Alt 加字母</translation>
    </message>
    <message>
        <source>Choose the cell: its bits, its lock, or open its list</source>
        <translation>选择单元格：设置位宽、锁定，或打开其列表</translation>
    </message>
    <message>
        <source>Ctrl and the wheel do so too</source>
        <translation>Ctrl 加滚轮亦可</translation>
    </message>
    <message>
        <source>Ctrl+A</source>
        <translation>Ctrl+A</translation>
    </message>
    <message>
        <source>Ctrl+Tab, Ctrl+Shift+Tab</source>
        <translation>Ctrl+Tab、Ctrl+Shift+Tab</translation>
    </message>
    <message>
        <source>Enter, Space</source>
        <translation>Enter、空格</translation>
    </message>
    <message>
        <source>Enter, Space, double click</source>
        <translation>Enter、空格、双击</translation>
    </message>
    <message>
        <source>Everywhere</source>
        <translation>全局</translation>
    </message>
    <message>
        <source>F, Home</source>
        <translation>F、Home</translation>
    </message>
    <message>
        <source>F2, double click</source>
        <translation>F2、双击</translation>
    </message>
    <message>
        <source>Filter the keys</source>
        <translation>筛选快捷键</translation>
    </message>
    <message>
        <source>Filter…</source>
        <translation>筛选…</translation>
    </message>
    <message>
        <source>Go to the next node along the graph</source>
        <translation>沿图转到下一个节点</translation>
    </message>
    <message>
        <source>Go to the next or previous control</source>
        <translation>转到下一个或上一个控件</translation>
    </message>
    <message>
        <source>Go to the next or previous page</source>
        <translation>转到下一页或上一页</translation>
    </message>
    <message>
        <source>Graph</source>
        <translation>结构图</translation>
    </message>
    <message>
        <source>Keys</source>
        <translation>快捷键</translation>
    </message>
    <message>
        <source>Layers × bits</source>
        <translation>层 × 位宽</translation>
    </message>
    <message>
        <source>Menu key</source>
        <translation>菜单键</translation>
    </message>
    <message>
        <source>Move in the table</source>
        <translation>在表格中移动</translation>
    </message>
    <message>
        <source>No key is called that.</source>
        <translation>没有匹配的快捷键。</translation>
    </message>
    <message>
        <source>Open a menu</source>
        <translation>打开菜单</translation>
    </message>
    <message>
        <source>Open the list of a cell: bits, kernel, scales, rounding</source>
        <translation>打开单元格的列表：位宽、内核、缩放因子、舍入</translation>
    </message>
    <message>
        <source>Page up, Page down</source>
        <translation>Page Up、Page Down</translation>
    </message>
    <message>
        <source>Save or copy the table</source>
        <translation>保存或复制表格</translation>
    </message>
    <message>
        <source>Scroll by a page</source>
        <translation>翻页</translation>
    </message>
    <message>
        <source>Select all layers that the filter shows</source>
        <translation>选择筛选出的所有层</translation>
    </message>
    <message>
        <source>Select several layers</source>
        <translation>选择多个层</translation>
    </message>
    <message>
        <source>Shift, Ctrl + click or arrows</source>
        <translation>Shift、Ctrl + 单击或方向键</translation>
    </message>
    <message>
        <source>Show the whole graph</source>
        <translation>显示全图</translation>
    </message>
    <message>
        <source>Tab, Shift+Tab</source>
        <translation>Tab、Shift+Tab</translation>
    </message>
    <message>
        <source>The wheel and dragging scroll too</source>
        <translation>滚轮和拖动亦可滚动</translation>
    </message>
    <message>
        <source>Unfold or fold a group of nodes</source>
        <translation>展开或折叠节点组</translation>
    </message>
    <message>
        <source>Zoom</source>
        <translation>缩放</translation>
    </message>
    <message>
        <source>Zoom to actual size</source>
        <translation>缩放到实际大小</translation>
    </message>
    <message>
        <source>↑ ↓ ← →</source>
        <translation>↑ ↓ ← →</translation>
    </message>
</context>
<context>
    <name>LanguageMenu</name>
    <message>
        <source>&amp;Language</source>
        <translation>语言(&amp;L)</translation>
    </message>
</context>
<context>
    <name>LatencyPlot</name>
    <message>
        <source>Distribution of the latencies</source>
        <translation>延迟分布</translation>
    </message>
    <message>
        <source>Not timed yet. Run the benchmark.</source>
        <translation>尚未计时。请运行基准测试。</translation>
    </message>
    <message>
        <source>latency, ms</source>
        <translation>延迟，ms</translation>
    </message>
    <message>
        <source>share of calls, %</source>
        <translation>调用占比，%</translation>
    </message>
</context>
<context>
    <name>LayerCells</name>
    <message>
        <source>samples</source>
        <translation>样本</translation>
    </message>
    <message>
        <source>stored</source>
        <translation>存储</translation>
    </message>
</context>
<context>
    <name>LayerChoices</name>
    <message numerus="yes">
        <source>%n cannot</source>
        <translation>
            <numerusform>%n 层无法应用</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n locked</source>
        <translation>
            <numerusform>%n 层已锁定</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n of them are so already</source>
        <translation>
            <numerusform>其中 %n 层已是如此</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Reaches %n layers</source>
        <translation>
            <numerusform>作用于 %n 层</numerusform>
        </translation>
    </message>
    <message>
        <source>channel</source>
        <translation>通道</translation>
    </message>
    <message>
        <source>clip at {percent:.0f} %</source>
        <translation>截断到 {percent:.0f} %</translation>
    </message>
    <message>
        <source>free</source>
        <translation>解锁</translation>
    </message>
    <message>
        <source>group {size}</source>
        <translation>分组 {size}</translation>
    </message>
    <message>
        <source>locked</source>
        <translation>锁定</translation>
    </message>
    <message>
        <source>no clip</source>
        <translation>不截断</translation>
    </message>
    <message>
        <source>tensor</source>
        <translation>张量</translation>
    </message>
    <message>
        <source>{bits} bits</source>
        <translation>{bits} 位</translation>
    </message>
</context>
<context>
    <name>LayerColumns</name>
    <message>
        <source>2 bits</source>
        <translation>2 位</translation>
    </message>
    <message>
        <source>8-bit activations at this layer&apos;s input alone: {metric}</source>
        <translation>仅对该层输入采用 8 位激活：{metric}</translation>
    </message>
    <message>
        <source>Act.</source>
        <translation>激活</translation>
    </message>
    <message>
        <source>Bits</source>
        <translation>位宽</translation>
    </message>
    <message>
        <source>Bits of the weights</source>
        <translation>权重位宽</translation>
    </message>
    <message>
        <source>Bytes of the weights as planned, scales included</source>
        <translation>按方案存储的权重字节数，含缩放因子</translation>
    </message>
    <message>
        <source>Cells of activations</source>
        <translation>激活单元格</translation>
    </message>
    <message>
        <source>Cells of {bits} bits</source>
        <translation>{bits} 位单元格</translation>
    </message>
    <message>
        <source>How many weights, with a bar for their share; click to sort by it</source>
        <translation>权重个数，条形表示占比；点击可据此排序</translation>
    </message>
    <message>
        <source>How the layer is computed</source>
        <translation>该层的计算方式</translation>
    </message>
    <message>
        <source>How weights are rounded; GPTQ and AdaRound look at what the layer reads</source>
        <translation>权重的舍入方式；GPTQ 和 AdaRound 会参考该层的输入</translation>
    </message>
    <message>
        <source>Kernel</source>
        <translation>内核</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>层</translation>
    </message>
    <message>
        <source>Layers with weights; click to sort them as in the graph</source>
        <translation>带权重的层；点击可按图中顺序排列</translation>
    </message>
    <message>
        <source>Lock</source>
        <translation>锁定</translation>
    </message>
    <message>
        <source>Locked layers keep their bits when others change (L)</source>
        <translation>其他层变化时，锁定的层保持位宽 (L)</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>算子</translation>
    </message>
    <message>
        <source>Operator, with the shape of its kernel</source>
        <translation>算子及其卷积核形状</translation>
    </message>
    <message>
        <source>Quantizing this layer alone: {metric}. Click a cell to give the layer these bits, click here to sort</source>
        <translation>仅量化该层：{metric}。点击单元格可将该层设为此位宽，点击此处可排序</translation>
    </message>
    <message>
        <source>Rounding</source>
        <translation>舍入</translation>
    </message>
    <message>
        <source>Scales</source>
        <translation>缩放因子</translation>
    </message>
    <message>
        <source>Stored</source>
        <translation>存储</translation>
    </message>
    <message>
        <source>Time</source>
        <translation>耗时</translation>
    </message>
    <message>
        <source>Time per call with this plan, measured on this computer; click to sort by it</source>
        <translation>按当前方案单次调用的耗时，在本机测得；点击可据此排序</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>Weights that share a scale: the whole tensor, a channel, or a group of so many</source>
        <translation>共用一个缩放因子的权重：整个张量、一个通道，或若干个一组</translation>
    </message>
    <message>
        <source>{text}. Change it with F2 or a double click, in all selected layers</source>
        <translation>{text}。按 F2 或双击可在所有选中的层中修改</translation>
    </message>
</context>
<context>
    <name>LayerErrorModel</name>
    <message>
        <source>B − A, dB</source>
        <translation>B − A，dB</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>层</translation>
    </message>
    <message>
        <source>No tensor of this file could be matched with the layer&apos;s output.</source>
        <translation>此文件中没有张量能与该层的输出对应。</translation>
    </message>
    <message>
        <source>The layer runs inside {operator}, whose tensors cannot be read from outside.</source>
        <translation>该层在 {operator} 内部运行，其张量无法从外部读取。</translation>
    </message>
    <message>
        <source>{second} minus {first}</source>
        <translation>{second} 减 {first}</translation>
    </message>
</context>
<context>
    <name>LayerErrorPlot</name>
    <message>
        <source>SQNR of the layers&apos; outputs</source>
        <translation>各层输出的 SQNR</translation>
    </message>
    <message>
        <source>SQNR, dB</source>
        <translation>SQNR，dB</translation>
    </message>
    <message>
        <source>layer, in the order of the network</source>
        <translation>层（按网络顺序）</translation>
    </message>
</context>
<context>
    <name>LayersModel</name>
    <message>
        <source>Free: click to lock (L)</source>
        <translation>未锁定：点击锁定 (L)</translation>
    </message>
    <message>
        <source>Locked: keeps its bits when others change (L)</source>
        <translation>已锁定：其他层变化时保持位宽 (L)</translation>
    </message>
    <message>
        <source>Stored {size}, float {float_size}</source>
        <translation>存储 {size}，浮点 {float_size}</translation>
    </message>
    <message>
        <source>activations stay float</source>
        <translation>激活保持浮点</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>float, nothing is lost</source>
        <translation>浮点，无损失</translation>
    </message>
    <message>
        <source>locked</source>
        <translation>已锁定</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>{count:,} weights, shape {shape}</source>
        <translation>{count:,} 个权重，形状 {shape}</translation>
    </message>
    <message>
        <source>{text}
rounded by {method}</source>
        <translation>{text}
舍入方法 {method}</translation>
    </message>
    <message>
        <source>{time} per call with this plan, measured on this computer; ~ is an estimate</source>
        <translation>按当前方案单次调用 {time}，在本机测得；~ 表示估计值</translation>
    </message>
    <message>
        <source>{title}
node {name}</source>
        <translation>{title}
节点 {name}</translation>
    </message>
    <message>
        <source>{title} at {bits} bits</source>
        <translation>{title}，{bits} 位</translation>
    </message>
    <message>
        <source>{title}, 8-bit {mode} activations</source>
        <translation>{title}，8 位 {mode} 激活</translation>
    </message>
</context>
<context>
    <name>LayersPage</name>
    <message>
        <source>Filter layers</source>
        <translation>筛选层</translation>
    </message>
    <message>
        <source>Filter layers… (Ctrl+F)</source>
        <translation>筛选层… (Ctrl+F)</translation>
    </message>
    <message>
        <source>No layer matches the filter.</source>
        <translation>没有符合筛选条件的层。</translation>
    </message>
    <message>
        <source>Order of the layers</source>
        <translation>层的排序</translation>
    </message>
    <message>
        <source>Show only layers whose name or operator contains this text</source>
        <translation>仅显示名称或算子包含此文本的层</translation>
    </message>
    <message>
        <source>Sort: graph order</source>
        <translation>排序：图中顺序</translation>
    </message>
    <message>
        <source>Sort: largest first</source>
        <translation>排序：最大优先</translation>
    </message>
    <message>
        <source>Sort: most fragile first</source>
        <translation>排序：最敏感优先</translation>
    </message>
    <message>
        <source>Sort: slowest first</source>
        <translation>排序：最慢优先</translation>
    </message>
</context>
<context>
    <name>LayersPanel</name>
    <message>
        <source>Layers</source>
        <translation>层</translation>
    </message>
    <message>
        <source>Layers: an earlier run measured “{method}”, and kept the network&apos;s figures only</source>
        <translation>层：先前运行已测量“{method}”，仅保留了整个网络的指标</translation>
    </message>
    <message>
        <source>Layers: “{method}” has no figures of single ones</source>
        <translation>层：“{method}”没有单层的指标</translation>
    </message>
    <message>
        <source>SQNR of the layers so far, in dB: {method} ({n})</source>
        <translation>目前各层 SQNR，dB：{method}（{n}）</translation>
    </message>
    <message>
        <source>SQNR of the layers, in dB: {method}</source>
        <translation>各层 SQNR，dB：{method}</translation>
    </message>
</context>
<context>
    <name>LayersTab</name>
    <message>
        <source>Compare layers</source>
        <translation>逐层对比</translation>
    </message>
    <message>
        <source>Errors of the layers</source>
        <translation>各层误差</translation>
    </message>
    <message>
        <source>Layers inside If, Loop or Scan, which cannot be read: {n}.</source>
        <translation>位于 If、Loop 或 Scan 内部、无法读取的层：{n} 个。</translation>
    </message>
    <message>
        <source>Not compared yet: where the error of each ticked result arises, layer by layer.</source>
        <translation>尚未对比：逐层查看每个勾选结果的误差来自何处。</translation>
    </message>
    <message>
        <source>Outputs that could not be matched: {n}.</source>
        <translation>无法对应的输出：{n} 个。</translation>
    </message>
    <message>
        <source>Run float and the ticked results on a few samples, and compare every layer&apos;s output</source>
        <translation>用少量样本运行浮点模型和勾选的结果，对比每一层的输出</translation>
    </message>
    <message numerus="yes">
        <source>SQNR of every layer&apos;s output against float in dB, %n samples.</source>
        <translation>
            <numerusform>各层输出相对浮点的 SQNR，单位 dB，%n 个样本。</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LayersTable</name>
    <message>
        <source>After</source>
        <translation>之后</translation>
    </message>
    <message>
        <source>After against before, in dB</source>
        <translation>之后相对之前，dB</translation>
    </message>
    <message>
        <source>Before</source>
        <translation>之前</translation>
    </message>
    <message>
        <source>Before and after on one scale for all layers, better to the right</source>
        <translation>各层的之前与之后采用同一刻度，越靠右越好</translation>
    </message>
    <message>
        <source>Gain</source>
        <translation>增益</translation>
    </message>
    <message>
        <source>In the order of the graph</source>
        <translation>按图中顺序</translation>
    </message>
    <message>
        <source>Layer</source>
        <translation>层</translation>
    </message>
    <message>
        <source>Layers before and after each method</source>
        <translation>各方法前后的各层</translation>
    </message>
    <message>
        <source>Method</source>
        <translation>方法</translation>
    </message>
    <message>
        <source>SQNR after the method, in dB; the tool tip of the method says of what</source>
        <translation>该方法之后的 SQNR，dB；所指对象见旁边的方法说明</translation>
    </message>
    <message>
        <source>SQNR before the method, in dB; the tool tip of the method says of what</source>
        <translation>该方法之前的 SQNR，dB；所指对象见旁边的方法说明</translation>
    </message>
    <message>
        <source>What changed it; the last method is at the top</source>
        <translation>改变该层的方法；最后的方法在最上面</translation>
    </message>
    <message>
        <source>○ before, ● after</source>
        <translation>○ 之前，● 之后</translation>
    </message>
    <message>
        <source>○ → ●</source>
        <translation>○ → ●</translation>
    </message>
</context>
<context>
    <name>LayersView</name>
    <message>
        <source>Layers and bit widths</source>
        <translation>层与位宽</translation>
    </message>
</context>
<context>
    <name>Legend</name>
    <message>
        <source>Colour legend: dark blue is robust, yellow is fragile</source>
        <translation>颜色图例：深蓝表示鲁棒，黄色表示敏感</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>robust {figure}</source>
        <translation>鲁棒 {figure}</translation>
    </message>
    <message>
        <source>{figure} fragile</source>
        <translation>{figure} 敏感</translation>
    </message>
    <message>
        <source>{metric}: dark blue from {robust}, yellow from {fragile}; hatched cells were not measured</source>
        <translation>{metric}：深蓝从 {robust} 起，黄色从 {fragile} 起；阴影线单元格未测量</translation>
    </message>
</context>
<context>
    <name>LiveBar</name>
    <message>
        <source>Against the float file</source>
        <translation>相对浮点文件</translation>
    </message>
    <message>
        <source>Against the float model</source>
        <translation>相对浮点模型</translation>
    </message>
    <message>
        <source>All stored bits, scales included, per weight</source>
        <translation>每个权重平均占用的存储位数，含缩放因子</translation>
    </message>
    <message>
        <source>Bits per weight</source>
        <translation>位/权重</translation>
    </message>
    <message>
        <source>From the cells of all layers, as if their noises added up</source>
        <translation>由所有层的单元格得出，假定各层噪声可叠加</translation>
    </message>
    <message>
        <source>In the metric that the cells show, as if the layers&apos; losses added up</source>
        <translation>采用单元格所示指标，假定各层损失可叠加</translation>
    </message>
    <message>
        <source>Latency</source>
        <translation>延迟</translation>
    </message>
    <message>
        <source>Measured</source>
        <translation>实测</translation>
    </message>
    <message>
        <source>Of the weights alone: quantized activations were not measured and come on top</source>
        <translation>仅含权重：量化激活值未测量，其损失另计</translation>
    </message>
    <message>
        <source>Per call on this computer, from measured layer times; ~ where some are estimates</source>
        <translation>本机单次调用，由实测的各层耗时得出；~ 表示部分为估计值</translation>
    </message>
    <message>
        <source>Predicted SQNR</source>
        <translation>预测 SQNR</translation>
    </message>
    <message>
        <source>Predicted size of the converted file</source>
        <translation>转换后文件的预测大小</translation>
    </message>
    <message>
        <source>Predicted {name}</source>
        <translation>预测 {name}</translation>
    </message>
    <message>
        <source>Size</source>
        <translation>大小</translation>
    </message>
    <message>
        <source>The whole plan on the calibration data: weights quantized, activations in float</source>
        <translation>整个方案在校准数据上的结果：权重量化，激活为浮点</translation>
    </message>
    <message>
        <source>Undo: {text}   Ctrl+Z</source>
        <translation>撤销：{text}   Ctrl+Z</translation>
    </message>
    <message>
        <source>not measured</source>
        <translation>未测量</translation>
    </message>
    <message>
        <source>{pair}: the prediction for the weights alone, as that is what was measured</source>
        <translation>{pair}：仅对权重的预测，因为实测的也只是权重</translation>
    </message>
    <message>
        <source>{ratio} faster</source>
        <translation>加速 {ratio}</translation>
    </message>
    <message>
        <source>{ratio} smaller</source>
        <translation>缩小 {ratio}</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>A job is running. Wait for its end or cancel it, then open {name}.</source>
        <translation>有任务正在运行。请等待其结束或将其取消，然后再打开 {name}。</translation>
    </message>
    <message>
        <source>A job is still running. Closing ends it; what it has finished so far is lost.</source>
        <translation>仍有任务在运行。关闭将终止任务，已完成的部分会丢失。</translation>
    </message>
    <message>
        <source>About Bitsmith</source>
        <translation>关于 Bitsmith</translation>
    </message>
    <message>
        <source>Benchmark</source>
        <translation>基准测试</translation>
    </message>
    <message>
        <source>Bitsmith</source>
        <translation>Bitsmith</translation>
    </message>
    <message>
        <source>Bitsmith {version}
Post-training quantization of ONNX models.
Python {python}, {platform}</source>
        <translation>Bitsmith {version}
ONNX 模型训练后量化。
Python {python}，{platform}</translation>
    </message>
    <message>
        <source>Compare</source>
        <translation>对比</translation>
    </message>
    <message>
        <source>Distributions</source>
        <translation>分布</translation>
    </message>
    <message>
        <source>End the job and close</source>
        <translation>终止任务并关闭</translation>
    </message>
    <message>
        <source>Graph</source>
        <translation>结构图</translation>
    </message>
    <message>
        <source>History</source>
        <translation>历史</translation>
    </message>
    <message>
        <source>Layers × bits</source>
        <translation>层 × 位宽</translation>
    </message>
    <message>
        <source>Locked layers that kept their bits: {n}</source>
        <translation>保持位宽不变的锁定层：{n}</translation>
    </message>
    <message>
        <source>Models and projects (*.onnx *.pt2 *.pt *.pth *.torchscript *.bitsmith);;All files (*)</source>
        <translation>模型和项目 (*.onnx *.pt2 *.pt *.pth *.torchscript *.bitsmith);;所有文件 (*)</translation>
    </message>
    <message>
        <source>No font on this computer has Chinese characters, so they are shown as boxes. Install one; on Debian and Ubuntu: apt-get install fonts-wqy-zenhei.</source>
        <translation>本机没有包含中文字符的字体，中文将显示为方框。请安装一种；Debian 和 Ubuntu：apt-get install fonts-wqy-zenhei。</translation>
    </message>
    <message>
        <source>Open a model</source>
        <translation>打开模型</translation>
    </message>
    <message>
        <source>Recover</source>
        <translation>精度恢复</translation>
    </message>
    <message>
        <source>The bundled sample is not installed. Install Bitsmith again, or open a model.</source>
        <translation>未安装自带示例。请重新安装 Bitsmith，或打开一个模型。</translation>
    </message>
    <message>
        <source>Trade-off</source>
        <translation>权衡</translation>
    </message>
    <message>
        <source>{name}[*] – Bitsmith</source>
        <translation>{name}[*] – Bitsmith</translation>
    </message>
</context>
<context>
    <name>Measured</name>
    <message>
        <source>points</source>
        <translation>个百分点</translation>
    </message>
    <message>
        <source>{name} {figure} measured</source>
        <translation>{name} 实测 {figure}</translation>
    </message>
    <message>
        <source>{text} (predicted {figure})</source>
        <translation>{text}（预测 {figure}）</translation>
    </message>
    <message>
        <source>{text}, {predicted} predicted</source>
        <translation>{text}，预测 {predicted}</translation>
    </message>
</context>
<context>
    <name>Menus</name>
    <message>
        <source>&amp;Edit</source>
        <translation>编辑(&amp;E)</translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation>文件(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Help</source>
        <translation>帮助(&amp;H)</translation>
    </message>
    <message>
        <source>&amp;Plan</source>
        <translation>方案(&amp;P)</translation>
    </message>
    <message>
        <source>&amp;Run</source>
        <translation>运行(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>视图(&amp;V)</translation>
    </message>
    <message>
        <source>Hi&amp;story</source>
        <translation>历史(&amp;S)</translation>
    </message>
    <message>
        <source>Steps</source>
        <translation>步骤</translation>
    </message>
</context>
<context>
    <name>MetricBox</name>
    <message>
        <source>Metric of the cells</source>
        <translation>单元格指标</translation>
    </message>
    <message>
        <source>Metric: {name}</source>
        <translation>指标：{name}</translation>
    </message>
    <message>
        <source>What the cells show; Analyse by another method measures other metrics</source>
        <translation>单元格所示的量；用其他方法分析可测得其他指标</translation>
    </message>
</context>
<context>
    <name>Metrics</name>
    <message>
        <source>KL</source>
        <translation>KL</translation>
    </message>
    <message>
        <source>KL divergence, nats</source>
        <translation>KL 散度，nats</translation>
    </message>
    <message>
        <source>MSE</source>
        <translation>MSE</translation>
    </message>
    <message>
        <source>SQNR</source>
        <translation>SQNR</translation>
    </message>
    <message>
        <source>cosine</source>
        <translation>余弦</translation>
    </message>
    <message>
        <source>cosine similarity</source>
        <translation>余弦相似度</translation>
    </message>
    <message>
        <source>dB</source>
        <translation>dB</translation>
    </message>
    <message>
        <source>loss</source>
        <translation>损失函数</translation>
    </message>
    <message>
        <source>nats</source>
        <translation>nats</translation>
    </message>
    <message>
        <source>output MSE</source>
        <translation>输出 MSE</translation>
    </message>
    <message>
        <source>output SQNR, dB</source>
        <translation>输出 SQNR，dB</translation>
    </message>
    <message>
        <source>points</source>
        <translation>个百分点</translation>
    </message>
    <message>
        <source>rise of the loss, nats</source>
        <translation>损失函数上升，nats</translation>
    </message>
    <message>
        <source>top-1 drop</source>
        <translation>top-1 下降</translation>
    </message>
    <message>
        <source>top-1 drop, points</source>
        <translation>top-1 下降，百分点</translation>
    </message>
</context>
<context>
    <name>Notifier</name>
    <message>
        <source>Done</source>
        <translation>完成</translation>
    </message>
    <message>
        <source>Open</source>
        <translation>打开</translation>
    </message>
    <message>
        <source>Open the folder</source>
        <translation>打开文件夹</translation>
    </message>
    <message>
        <source>Please confirm</source>
        <translation>请确认</translation>
    </message>
    <message>
        <source>Please note</source>
        <translation>请注意</translation>
    </message>
    <message>
        <source>That did not work</source>
        <translation>操作未成功</translation>
    </message>
</context>
<context>
    <name>OperatorModel</name>
    <message>
        <source>Float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>Operator</source>
        <translation>算子</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>nodes: {n}</source>
        <translation>节点：{n}</translation>
    </message>
    <message>
        <source>{time}  ({n})</source>
        <translation>{time}  ({n})</translation>
    </message>
</context>
<context>
    <name>OutputNames</name>
    <message>
        <source>Cannot create the folder {folder}: {reason}. Choose another one.</source>
        <translation>无法创建文件夹 {folder}：{reason}。请选择其他文件夹。</translation>
    </message>
</context>
<context>
    <name>Overview</name>
    <message>
        <source>All layers at once; click to jump</source>
        <translation>所有层一览；点击跳转</translation>
    </message>
    <message>
        <source>Overview of all layers</source>
        <translation>所有层总览</translation>
    </message>
</context>
<context>
    <name>OverviewTab</name>
    <message>
        <source>File size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>Nothing to compare yet. Convert the model, and its size and quality stand here.</source>
        <translation>尚无可对比的内容。转换模型后，这里会显示其大小与质量。</translation>
    </message>
    <message>
        <source>SQNR against float, dB</source>
        <translation>相对浮点的 SQNR，dB</translation>
    </message>
    <message>
        <source>file size, {unit}</source>
        <translation>文件大小，{unit}</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
</context>
<context>
    <name>PagesMenu</name>
    <message>
        <source>&amp;Go to page</source>
        <translation>转到页面(&amp;G)</translation>
    </message>
</context>
<context>
    <name>PathEdit</name>
    <message>
        <source>Browse…</source>
        <translation>浏览…</translation>
    </message>
    <message>
        <source>Data that were used lately</source>
        <translation>最近使用的数据</translation>
    </message>
    <message>
        <source>File…</source>
        <translation>文件…</translation>
    </message>
    <message>
        <source>Folder…</source>
        <translation>文件夹…</translation>
    </message>
    <message>
        <source>Recent</source>
        <translation>最近</translation>
    </message>
</context>
<context>
    <name>PlanSearch</name>
    <message>
        <source>Auto-assign</source>
        <translation>自动分配</translation>
    </message>
    <message>
        <source>Cancelled before a plan was measured.</source>
        <translation>在测得任何方案之前已取消。</translation>
    </message>
    <message>
        <source>Measure and improve</source>
        <translation>实测并改进</translation>
    </message>
    <message>
        <source>Measure this plan</source>
        <translation>实测当前方案</translation>
    </message>
    <message>
        <source>The best plan so far is kept: {text}</source>
        <translation>已保留目前最优的方案：{text}</translation>
    </message>
    <message>
        <source>auto-assign {size}</source>
        <translation>自动分配 {size}</translation>
    </message>
    <message>
        <source>auto-assign {size}, measured</source>
        <translation>自动分配 {size}，已实测</translation>
    </message>
    <message>
        <source>plans measured: {n}; {text}</source>
        <translation>实测方案数：{n}；{text}</translation>
    </message>
</context>
<context>
    <name>PlotKey</name>
    <message>
        <source>Key: {names}</source>
        <translation>图例：{names}</translation>
    </message>
</context>
<context>
    <name>PlotSaver</name>
    <message>
        <source>Copy picture</source>
        <translation>复制图片</translation>
    </message>
    <message>
        <source>PNG picture (*.png);;SVG drawing (*.svg);;Figures as a table (*.csv)</source>
        <translation>PNG 图片 (*.png);;SVG 矢量图 (*.svg);;数据表格 (*.csv)</translation>
    </message>
    <message>
        <source>Save picture</source>
        <translation>保存图片</translation>
    </message>
    <message>
        <source>Save picture…</source>
        <translation>保存图片…</translation>
    </message>
    <message>
        <source>The name must end in .png, .svg or .csv. Choose another name.</source>
        <translation>文件名必须以 .png、.svg 或 .csv 结尾。请另选名称。</translation>
    </message>
</context>
<context>
    <name>PreprocessForm</name>
    <message>
        <source>Added to every label; 1 if the model has a background class first</source>
        <translation>加到每个标签上的偏移；若模型首个类别为背景则为 1</translation>
    </message>
    <message>
        <source>As it is</source>
        <translation>保持原样</translation>
    </message>
    <message>
        <source>Centre crop</source>
        <translation>中心裁剪</translation>
    </message>
    <message>
        <source>Channels</source>
        <translation>通道</translation>
    </message>
    <message>
        <source>Divided by at last: one number, or one per channel</source>
        <translation>最后除以此值：一个数，或每通道一个</translation>
    </message>
    <message>
        <source>Height of the centre crop in pixels; 0 for none</source>
        <translation>中心裁剪高度（像素）；0 表示不裁剪</translation>
    </message>
    <message>
        <source>Height, or the shorter side, in pixels</source>
        <translation>高度或短边（像素）</translation>
    </message>
    <message>
        <source>How the image is resized before the crop</source>
        <translation>裁剪前如何调整图像尺寸</translation>
    </message>
    <message>
        <source>Label offset</source>
        <translation>标签偏移</translation>
    </message>
    <message>
        <source>Letterbox to</source>
        <translation>加边缩放到</translation>
    </message>
    <message>
        <source>Load…</source>
        <translation>载入…</translation>
    </message>
    <message>
        <source>Mean</source>
        <translation>均值</translation>
    </message>
    <message>
        <source>Order of the axes that the model expects</source>
        <translation>模型要求的轴顺序</translation>
    </message>
    <message>
        <source>Order of the colour channels that the model expects</source>
        <translation>模型要求的颜色通道顺序</translation>
    </message>
    <message>
        <source>Own values</source>
        <translation>自定义</translation>
    </message>
    <message>
        <source>Pixels 0…255 are multiplied by this first, such as 1/255</source>
        <translation>像素 0…255 先乘以此值，例如 1/255</translation>
    </message>
    <message>
        <source>Preprocessing</source>
        <translation>预处理</translation>
    </message>
    <message>
        <source>Preset</source>
        <translation>预设</translation>
    </message>
    <message>
        <source>Read a preprocessing file</source>
        <translation>读取预处理文件</translation>
    </message>
    <message>
        <source>Resize</source>
        <translation>缩放</translation>
    </message>
    <message>
        <source>Save…</source>
        <translation>保存…</translation>
    </message>
    <message>
        <source>Scale</source>
        <translation>比例</translation>
    </message>
    <message>
        <source>Shorter side to</source>
        <translation>短边缩放到</translation>
    </message>
    <message>
        <source>Std</source>
        <translation>标准差</translation>
    </message>
    <message>
        <source>Stretch to</source>
        <translation>拉伸到</translation>
    </message>
    <message>
        <source>Subtracted after scaling: one number, or one per channel</source>
        <translation>乘以比例后减去此值：一个数，或每通道一个</translation>
    </message>
    <message>
        <source>Values of common networks, fitted to this model&apos;s input</source>
        <translation>常见网络的设置，已适配此模型的输入</translation>
    </message>
    <message>
        <source>Width in pixels</source>
        <translation>宽度（像素）</translation>
    </message>
    <message>
        <source>Width of the centre crop in pixels; 0 for none</source>
        <translation>中心裁剪宽度（像素）；0 表示不裁剪</translation>
    </message>
    <message>
        <source>Write these values as preprocess.json, which the command line takes</source>
        <translation>将这些值写入 preprocess.json，可供命令行使用</translation>
    </message>
    <message>
        <source>none</source>
        <translation>无</translation>
    </message>
    <message>
        <source>pixels</source>
        <translation>像素</translation>
    </message>
</context>
<context>
    <name>PresetMenu</name>
    <message>
        <source>&amp;Preset</source>
        <translation>预设(&amp;P)</translation>
    </message>
    <message>
        <source>A preset is malformed…</source>
        <translation>某个预设格式有误…</translation>
    </message>
    <message>
        <source>Preset {title}: {bits} bits, {activations} activations; layers changed: {changed}, locked ones kept: {locked}. It wants {samples} samples for calibration.</source>
        <translation>预设 {title}：{bits} 位，{activations} 激活；已更改的层：{changed}，保持不变的锁定层：{locked}。校准需要 {samples} 个样本。</translation>
    </message>
    <message>
        <source>preset {title}</source>
        <translation>预设 {title}</translation>
    </message>
</context>
<context>
    <name>PreviewPane</name>
    <message>
        <source>A sample is shown here.</source>
        <translation>此处显示一个样本。</translation>
    </message>
    <message>
        <source>As the network gets it</source>
        <translation>网络的实际输入</translation>
    </message>
    <message>
        <source>Check on 64 samples</source>
        <translation>用 64 个样本检查</translation>
    </message>
    <message>
        <source>In the file</source>
        <translation>文件中的内容</translation>
    </message>
    <message>
        <source>Next sample</source>
        <translation>下一个样本</translation>
    </message>
    <message>
        <source>Previous sample</source>
        <translation>上一个样本</translation>
    </message>
    <message>
        <source>Running the float model… {share}</source>
        <translation>正在运行浮点模型… {share}</translation>
    </message>
    <message>
        <source>Runs the float model with every preset and takes the best</source>
        <translation>用每个预设运行浮点模型，并采用最好的</translation>
    </message>
    <message>
        <source>Runs the float model: with the right preprocessing it gets most labels right</source>
        <translation>运行浮点模型：预处理正确时，大多数标签都能预测正确</translation>
    </message>
    <message>
        <source>Try all presets</source>
        <translation>尝试所有预设</translation>
    </message>
    <message>
        <source>channel</source>
        <translation>通道</translation>
    </message>
    <message>
        <source>label {label}</source>
        <translation>标签 {label}</translation>
    </message>
    <message>
        <source>max</source>
        <translation>最大值</translation>
    </message>
    <message>
        <source>mean</source>
        <translation>均值</translation>
    </message>
    <message>
        <source>min</source>
        <translation>最小值</translation>
    </message>
    <message>
        <source>no label</source>
        <translation>无标签</translation>
    </message>
    <message>
        <source>no picture</source>
        <translation>无图像</translation>
    </message>
    <message>
        <source>std</source>
        <translation>标准差</translation>
    </message>
    <message>
        <source>{number:,} of {samples:,}: {name}</source>
        <translation>{number:,} / {samples:,}：{name}</translation>
    </message>
</context>
<context>
    <name>ProjectDesk</name>
    <message>
        <source>Autosave does not work: {reason}</source>
        <translation>自动保存失败：{reason}</translation>
    </message>
    <message>
        <source>Bitsmith projects (*.bitsmith)</source>
        <translation>Bitsmith 项目 (*.bitsmith)</translation>
    </message>
    <message>
        <source>Discard</source>
        <translation>放弃</translation>
    </message>
    <message>
        <source>Locate the model</source>
        <translation>定位模型</translation>
    </message>
    <message>
        <source>Locate the model…</source>
        <translation>定位模型…</translation>
    </message>
    <message>
        <source>Open a project</source>
        <translation>打开项目</translation>
    </message>
    <message>
        <source>Save</source>
        <translation>保存</translation>
    </message>
    <message>
        <source>Save the project</source>
        <translation>保存项目</translation>
    </message>
    <message>
        <source>Saved: {path}</source>
        <translation>已保存：{path}</translation>
    </message>
    <message>
        <source>The data of this project is not there any more: {paths}. Choose it again before measuring.</source>
        <translation>此项目的数据已不存在：{paths}。测量前请重新选择。</translation>
    </message>
    <message>
        <source>The model of this project is not where it was: {path}. Say where it is now.</source>
        <translation>此项目的模型已不在原处：{path}。请指出它现在的位置。</translation>
    </message>
    <message>
        <source>all changes of earlier sessions</source>
        <translation>先前会话的全部修改</translation>
    </message>
    <message>
        <source>{name} has changes that are not saved.</source>
        <translation>{name} 有未保存的修改。</translation>
    </message>
    <message>
        <source>{name} was not opened, because a job is running. Open it again when that has finished.</source>
        <translation>由于有任务正在运行，未打开 {name}。请在任务完成后重新打开。</translation>
    </message>
    <message>
        <source>{path} is another model than the project was made with (SHA-256 {found}…, not {wanted}…). What was measured does not hold for it. Locate the model as it was.</source>
        <translation>{path} 与创建项目时的模型不同（SHA-256 为 {found}…，而非 {wanted}…）。测量结果对它不成立。请定位原来的模型。</translation>
    </message>
    <message>
        <source>{path} was changed since it was measured. Choose the data again with Data, then analyse anew; until then the figures are those of the old data.</source>
        <translation>{path} 在测量之后被修改过。请在“数据”中重新选择数据并重新分析；在此之前，数值仍对应旧数据。</translation>
    </message>
</context>
<context>
    <name>RecentMenu</name>
    <message>
        <source>Open &amp;recent</source>
        <translation>打开最近文件(&amp;R)</translation>
    </message>
</context>
<context>
    <name>Recover</name>
    <message>
        <source> %</source>
        <translation> %</translation>
    </message>
    <message>
        <source> dB</source>
        <translation> dB</translation>
    </message>
    <message>
        <source> points</source>
        <translation> 个百分点</translation>
    </message>
    <message>
        <source>A channel is made smaller in one layer and larger in the next, until the weights of a layer have like ranges (DFQ, arXiv 1906.04721).</source>
        <translation>在一层中缩小某个通道、在下一层中相应放大，直到同一层的权重范围相近（DFQ，arXiv 1906.04721）。</translation>
    </message>
    <message>
        <source>Accuracy lost, at most</source>
        <translation>精度损失至多</translation>
    </message>
    <message>
        <source>Accuracy lost, points</source>
        <translation>精度损失，百分点</translation>
    </message>
    <message>
        <source>AdaRound</source>
        <translation>AdaRound</translation>
    </message>
    <message>
        <source>All ticked methods are tried and the target is not met. Tick more, give fragile layers more bits, or add samples.</source>
        <translation>已尝试所有勾选的方法，仍未达到目标。请勾选更多方法、提高敏感层的位宽，或增加样本。</translation>
    </message>
    <message>
        <source>Bias correction</source>
        <translation>偏置校正</translation>
    </message>
    <message>
        <source>Block reconstruction</source>
        <translation>逐块重建</translation>
    </message>
    <message>
        <source>Block reconstruction: what is left of the held-out error of each block</source>
        <translation>逐块重建：各块留出样本误差的剩余比例</translation>
    </message>
    <message>
        <source>Block {block} of {blocks}: {layers}</source>
        <translation>第 {block} / {blocks} 块：{layers}</translation>
    </message>
    <message>
        <source>Blocks done: {better} closer to float, {others} as before.</source>
        <translation>已完成的块：{better} 个更接近浮点，{others} 个不变。</translation>
    </message>
    <message>
        <source>Distillation</source>
        <translation>蒸馏</translation>
    </message>
    <message>
        <source>Distillation: step {step} of {steps}</source>
        <translation>蒸馏：第 {step} / {steps} 步</translation>
    </message>
    <message>
        <source>Equalization</source>
        <translation>均衡化</translation>
    </message>
    <message>
        <source>Every weight is rounded as the plan says: what other methods have to beat (Jacob et al., arXiv 1712.05877).</source>
        <translation>每个权重按方案舍入：其他方法需超越的基准（Jacob et al.，arXiv 1712.05877）。</translation>
    </message>
    <message>
        <source>Every weight learns whether to be rounded up or down, so that the layer&apos;s output changes least (arXiv 2004.10568).</source>
        <translation>学习每个权重向上还是向下舍入，使该层输出变化最小（arXiv 2004.10568）。</translation>
    </message>
    <message>
        <source>Figure of the whole network against time</source>
        <translation>整个网络的指标随时间变化</translation>
    </message>
    <message>
        <source>Figures are of the layer&apos;s output behind its activation, in the quantized network, on samples that are held out. Layers make up for each other, so one inside a block may end worse.</source>
        <translation>指标针对量化网络中该层激活函数之后的输出，在留出样本上测量。同一块内各层互相补偿，因此块内某一层可能变差。</translation>
    </message>
    <message>
        <source>Figures are of the layer&apos;s output with weights rounded to nearest and float inputs.</source>
        <translation>指标针对权重就近舍入、输入为浮点时该层的输出。</translation>
    </message>
    <message>
        <source>Figures are of the layer&apos;s output: with the nearest codes, and with the chosen codes and the bias that goes with them.</source>
        <translation>指标针对该层的输出：之前用最近的码值，之后用选定的码值及相应的偏置。</translation>
    </message>
    <message>
        <source>Figures are of the layer&apos;s weights, rounded to nearest.</source>
        <translation>指标针对该层就近舍入后的权重。</translation>
    </message>
    <message>
        <source>GPTQ</source>
        <translation>GPTQ</translation>
    </message>
    <message>
        <source>Held-out error {before} → {now} at best.</source>
        <translation>留出样本误差 {before} → 最佳 {now}。</translation>
    </message>
    <message>
        <source>Held-out error {before} → {now}.</source>
        <translation>留出样本误差 {before} → {now}。</translation>
    </message>
    <message>
        <source>Held-out loss {before} → {now} at best</source>
        <translation>留出样本损失 {before} → 最佳 {now}</translation>
    </message>
    <message>
        <source>Input scaling</source>
        <translation>输入缩放</translation>
    </message>
    <message>
        <source>Kept.</source>
        <translation>已保留。</translation>
    </message>
    <message>
        <source>Layer by layer</source>
        <translation>逐层搜索</translation>
    </message>
    <message>
        <source>Left as it was.</source>
        <translation>保持原样。</translation>
    </message>
    <message>
        <source>Loss of the training against its steps</source>
        <translation>训练损失随步数的变化</translation>
    </message>
    <message>
        <source>Nearest</source>
        <translation>最近舍入</translation>
    </message>
    <message>
        <source>Outliers of a transformer&apos;s inputs move into the weights, or weights that meet large inputs are kept finer (SmoothQuant, arXiv 2211.10438; AWQ, arXiv 2306.00978).</source>
        <translation>将 Transformer 输入中的离群值转移到权重，或对遇到大输入的权重保留更高精度（SmoothQuant，arXiv 2211.10438；AWQ，arXiv 2306.00978）。</translation>
    </message>
    <message>
        <source>Per cent more perplexity than the float model, of a language model</source>
        <translation>语言模型的困惑度比浮点模型高出的百分比</translation>
    </message>
    <message>
        <source>Perplexity risen, %</source>
        <translation>困惑度上升，%</translation>
    </message>
    <message>
        <source>Perplexity risen, at most</source>
        <translation>困惑度上升至多</translation>
    </message>
    <message>
        <source>Perplexity, %</source>
        <translation>困惑度，%</translation>
    </message>
    <message>
        <source>Plan as it is</source>
        <translation>方案原样</translation>
    </message>
    <message>
        <source>Points lost</source>
        <translation>损失百分点</translation>
    </message>
    <message>
        <source>Points of top-1 less than the float model; of agreement with it where there are no labels</source>
        <translation>top-1 比浮点模型低的百分点；没有标签时为与浮点的一致率</translation>
    </message>
    <message>
        <source>SQNR, at least</source>
        <translation>SQNR 至少</translation>
    </message>
    <message>
        <source>SQNR, dB</source>
        <translation>SQNR，dB</translation>
    </message>
    <message>
        <source>Signal to quantization noise of the network&apos;s outputs against float</source>
        <translation>网络输出相对浮点的信号与量化噪声比</translation>
    </message>
    <message>
        <source>Single layers get another rounding, and keep it if the whole network comes closer to float: a greedy search over measured networks.</source>
        <translation>逐个更换单层的舍入方法，若整个网络更接近浮点则保留：对实测网络的贪心搜索。</translation>
    </message>
    <message>
        <source>Stopped early, with the best so far kept. Recover goes on where it was.</source>
        <translation>已提前停止，目前最优的结果已保留。再次运行“精度恢复”会从中断处继续。</translation>
    </message>
    <message>
        <source>The mean error of every layer&apos;s output is taken out of its bias (DFQ, arXiv 1906.04721).</source>
        <translation>从每层的偏置中减去其输出的平均误差（DFQ，arXiv 1906.04721）。</translation>
    </message>
    <message>
        <source>The target is met.</source>
        <translation>已达到目标。</translation>
    </message>
    <message>
        <source>Time was up before the target was met. Allow more; Recover goes on where it was.</source>
        <translation>在达到目标前时间已用完。请增加时限；“精度恢复”会从中断处继续。</translation>
    </message>
    <message>
        <source>Weights are rounded one after the other, and those that are left make up for the error, by what the layer reads (arXiv 2210.17323).</source>
        <translation>依次舍入各个权重，并依据该层输入由其余权重补偿误差（arXiv 2210.17323）。</translation>
    </message>
    <message>
        <source>Weights, scales and biases of all layers are trained together to give the float model&apos;s outputs (knowledge distillation, arXiv 1503.02531; learned scales, LSQ, arXiv 1902.08153).</source>
        <translation>联合训练所有层的权重、缩放因子和偏置，使输出逼近浮点模型（知识蒸馏，arXiv 1503.02531；可学习缩放因子 LSQ，arXiv 1902.08153）。</translation>
    </message>
    <message>
        <source>Weights, scales, biases and clips of one block after the other are trained to give what the block gives in the float model (BRECQ, arXiv 2102.05426; QDrop, arXiv 2203.05740).</source>
        <translation>逐块训练权重、缩放因子、偏置和截断范围，使每一块的输出与浮点模型中该块的输出一致（BRECQ，arXiv 2102.05426；QDrop，arXiv 2203.05740）。</translation>
    </message>
    <message>
        <source>before</source>
        <translation>之前</translation>
    </message>
    <message>
        <source>blocks</source>
        <translation>块</translation>
    </message>
    <message>
        <source>error left, %</source>
        <translation>剩余误差，%</translation>
    </message>
    <message>
        <source>held out</source>
        <translation>留出样本</translation>
    </message>
    <message>
        <source>learnt from</source>
        <translation>训练样本</translation>
    </message>
    <message>
        <source>loss against float</source>
        <translation>相对浮点的损失</translation>
    </message>
    <message>
        <source>seconds</source>
        <translation>秒</translation>
    </message>
    <message>
        <source>squared error by energy</source>
        <translation>平方误差与能量之比</translation>
    </message>
    <message>
        <source>steps of distillation</source>
        <translation>蒸馏步数</translation>
    </message>
    <message>
        <source>steps of the block</source>
        <translation>该块的训练步数</translation>
    </message>
    <message>
        <source>target</source>
        <translation>目标</translation>
    </message>
    <message>
        <source>{layer}: {rounding}</source>
        <translation>{layer}：{rounding}</translation>
    </message>
</context>
<context>
    <name>RecoverForm</name>
    <message>
        <source> s</source>
        <translation> s</translation>
    </message>
    <message>
        <source>Always measured first</source>
        <translation>总是最先测量</translation>
    </message>
    <message>
        <source>Data…</source>
        <translation>数据…</translation>
    </message>
    <message>
        <source>Methods, quickest first</source>
        <translation>方法（最快的在前）</translation>
    </message>
    <message>
        <source>ONNX models (*.onnx)</source>
        <translation>ONNX 模型 (*.onnx)</translation>
    </message>
    <message>
        <source>Of the ticked methods, as foreseen from a short trial on this computer</source>
        <translation>所勾选方法的预计耗时，由本机短时试测得出</translation>
    </message>
    <message>
        <source>Recovered model</source>
        <translation>恢复后的模型</translation>
    </message>
    <message>
        <source>Save as</source>
        <translation>保存为</translation>
    </message>
    <message>
        <source>Stops then, whatever was reached; the best so far is kept</source>
        <translation>到时即停止，无论结果如何；保留目前最优的结果</translation>
    </message>
    <message>
        <source>Target</source>
        <translation>目标</translation>
    </message>
    <message>
        <source>The best model so far lies here at any time, with its plan</source>
        <translation>目前最优的模型及其方案始终保存在此处</translation>
    </message>
    <message>
        <source>Time limit</source>
        <translation>时限</translation>
    </message>
    <message>
        <source>What is to be reached</source>
        <translation>要达到的目标</translation>
    </message>
    <message>
        <source>about {time}</source>
        <translation>约 {time}</translation>
    </message>
    <message>
        <source>time left</source>
        <translation>剩余时间</translation>
    </message>
</context>
<context>
    <name>RecoverPage</name>
    <message>
        <source>Best so far: {reached} by {method}.</source>
        <translation>目前最优：{reached}，方法 {method}。</translation>
    </message>
    <message>
        <source>Best: {reached} by {method}.</source>
        <translation>最优：{reached}，方法 {method}。</translation>
    </message>
    <message>
        <source>Converting and measuring the plan as it is…</source>
        <translation>正在转换并测量原方案…</translation>
    </message>
    <message>
        <source>It is in {file}.</source>
        <translation>结果保存在 {file}。</translation>
    </message>
    <message>
        <source>Learns from {n} samples, measures on {others} others.</source>
        <translation>用 {n} 个样本学习，用另外 {others} 个样本测量。</translation>
    </message>
    <message>
        <source>Make the plan of the selected step the plan; Ctrl+Z takes it back</source>
        <translation>将所选步骤的方案设为当前方案；Ctrl+Z 可撤销</translation>
    </message>
    <message>
        <source>Needs evaluation data: what it learns from cannot tell how good it is.</source>
        <translation>需要评估数据：学习所用的数据无法说明效果好坏。</translation>
    </message>
    <message>
        <source>Needs samples to learn from, and others to measure on.</source>
        <translation>需要用于学习的样本，以及另外用于测量的样本。</translation>
    </message>
    <message>
        <source>No layer has 8, 4 or 2 bits and is free, so there is nothing to recover.</source>
        <translation>没有未锁定且为 8、4 或 2 位的层，因此无可恢复。</translation>
    </message>
    <message>
        <source>Perplexity is measured on tokens only. Choose another target, or such data.</source>
        <translation>困惑度只能在 token 数据上测量。请选择其他目标，或选择此类数据。</translation>
    </message>
    <message>
        <source>Plans measured</source>
        <translation>已测方案</translation>
    </message>
    <message>
        <source>Recover brings back what few bits lose. Bits and sizes stay as the plan says; how the codes are found gets better, method by method. Every plan is converted and measured on samples that were not learnt from, until the target is met or time is up. The best so far is kept at any time.</source>
        <translation>“精度恢复”找回低位宽造成的损失。位宽和大小仍按方案不变；码值的求取方法逐步改进。每个方案都会转换，并在未用于学习的样本上测量，直到达到目标或时间用完。目前最优的结果始终保留。</translation>
    </message>
    <message>
        <source>Stopped before a plan was measured.</source>
        <translation>在测得任何方案之前已停止。</translation>
    </message>
    <message>
        <source>Take this plan</source>
        <translation>采用此方案</translation>
    </message>
    <message>
        <source>The name of the recovered model must end in .onnx.</source>
        <translation>恢复后的模型文件名必须以 .onnx 结尾。</translation>
    </message>
    <message>
        <source>The plan is that of this step</source>
        <translation>当前方案即此步骤的方案</translation>
    </message>
    <message>
        <source>This is the float model itself. Choose another name.</source>
        <translation>这是浮点模型本身。请另选名称。</translation>
    </message>
    <message>
        <source>{name} exists already, and results are never overwritten. Choose another name.</source>
        <translation>{name} 已存在，而结果从不覆盖。请另选名称。</translation>
    </message>
</context>
<context>
    <name>Recovery</name>
    <message>
        <source>Recover</source>
        <translation>精度恢复</translation>
    </message>
    <message>
        <source>The plan was changed while Recover ran, so it stays as it is.</source>
        <translation>“精度恢复”运行期间方案已被修改，因此保持不变。</translation>
    </message>
    <message>
        <source>recover {method}, {reached}</source>
        <translation>精度恢复 {method}，{reached}</translation>
    </message>
</context>
<context>
    <name>RestoreBar</name>
    <message numerus="yes">
        <source>%n runs</source>
        <translation>
            <numerusform>%n 条记录</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>And %n more.</source>
        <translation>
            <numerusform>另有 %n 项。</numerusform>
        </translation>
    </message>
    <message>
        <source>Bitsmith ended unexpectedly. </source>
        <translation>Bitsmith 上次意外退出。 </translation>
    </message>
    <message>
        <source>Delete the unsaved work on {model} for good?</source>
        <translation>永久删除 {model} 未保存的工作？</translation>
    </message>
    <message>
        <source>Delete this work for good</source>
        <translation>永久删除此工作</translation>
    </message>
    <message>
        <source>Discard</source>
        <translation>放弃</translation>
    </message>
    <message>
        <source>Discard…</source>
        <translation>放弃…</translation>
    </message>
    <message>
        <source>Hide this; the next start offers it again</source>
        <translation>隐藏；下次启动时再次提示</translation>
    </message>
    <message>
        <source>Later</source>
        <translation>稍后</translation>
    </message>
    <message>
        <source>Open this work as it was saved on the side</source>
        <translation>打开自动保存的此工作</translation>
    </message>
    <message>
        <source>Restore</source>
        <translation>恢复</translation>
    </message>
    <message>
        <source>Unsaved work from last time. </source>
        <translation>上次有未保存的工作。 </translation>
    </message>
    <message>
        <source>{name}: {measured} of {layers} layers measured, {runs} in the history, saved {when}.</source>
        <translation>{name}：{layers} 层中已测 {measured} 层，历史中有 {runs}，保存于 {when}。</translation>
    </message>
</context>
<context>
    <name>ResultBox</name>
    <message>
        <source>Result</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>Which result to look at</source>
        <translation>要查看的结果</translation>
    </message>
</context>
<context>
    <name>SamplesTab</name>
    <message numerus="yes">
        <source>%n samples, those farthest from float first.</source>
        <translation>
            <numerusform>%n 个样本，偏离浮点最远的在前。</numerusform>
        </translation>
    </message>
    <message>
        <source>Find samples</source>
        <translation>查找样本</translation>
    </message>
    <message>
        <source>KL {kl}</source>
        <translation>KL {kl}</translation>
    </message>
    <message>
        <source>Needs evaluation data. Add some with Data.</source>
        <translation>需要评估数据。请在“数据”中添加。</translation>
    </message>
    <message>
        <source>Not looked for yet: the samples whose prediction this result changes most.</source>
        <translation>尚未查找：此结果使其预测变化最大的样本。</translation>
    </message>
    <message>
        <source>Predictions changed: {changed} of {n}, those with the largest KL first.</source>
        <translation>改变的预测：{changed} / {n}，按 KL 从大到小排列。</translation>
    </message>
    <message>
        <source>Run float and this result on the evaluation data, and keep what differs most</source>
        <translation>用评估数据运行浮点模型和此结果，保留差异最大的样本</translation>
    </message>
    <message>
        <source>SQNR of its outputs: {figure} dB</source>
        <translation>其输出的 SQNR：{figure} dB</translation>
    </message>
    <message>
        <source>Samples that changed most</source>
        <translation>变化最大的样本</translation>
    </message>
    <message>
        <source>class {before} → {after}</source>
        <translation>类别 {before} → {after}</translation>
    </message>
    <message>
        <source>float</source>
        <translation>浮点</translation>
    </message>
    <message>
        <source>label {label}</source>
        <translation>标签 {label}</translation>
    </message>
    <message>
        <source>result</source>
        <translation>结果</translation>
    </message>
    <message>
        <source>sample {index}</source>
        <translation>样本 {index}</translation>
    </message>
    <message numerus="yes">
        <source>sample {index}: %n tokens</source>
        <translation>
            <numerusform>样本 {index}：%n 个 token</numerusform>
        </translation>
    </message>
    <message>
        <source>{figure} dB</source>
        <translation>{figure} dB</translation>
    </message>
    <message>
        <source>{model}: class {number}, {share} %</source>
        <translation>{model}：类别 {number}，{share} %</translation>
    </message>
</context>
<context>
    <name>Session</name>
    <message numerus="yes">
        <source>%n layers</source>
        <translation>
            <numerusform>%n 层</numerusform>
        </translation>
    </message>
    <message>
        <source>activations {mode}</source>
        <translation>激活 {mode}</translation>
    </message>
    <message>
        <source>lock {what}</source>
        <translation>锁定 {what}</translation>
    </message>
    <message>
        <source>mixed</source>
        <translation>混合</translation>
    </message>
    <message>
        <source>unlock {what}</source>
        <translation>解锁 {what}</translation>
    </message>
    <message>
        <source>{what} {old} → {new} bits</source>
        <translation>{what} {old} → {new} 位</translation>
    </message>
    <message>
        <source>{who}: {what}</source>
        <translation>{who}：{what}</translation>
    </message>
</context>
<context>
    <name>Settings</name>
    <message>
        <source>cores {cores}</source>
        <translation>处理器 {cores}</translation>
    </message>
    <message>
        <source>threads {threads}
batch {batch}</source>
        <translation>线程 {threads}
批大小 {batch}</translation>
    </message>
</context>
<context>
    <name>StartPage</name>
    <message>
        <source>Bitsmith</source>
        <translation>Bitsmith</translation>
    </message>
    <message>
        <source>Make a neural network smaller and faster: open an ONNX model, see what every layer can bear, choose its bits, convert, and compare.</source>
        <translation>让神经网络更小、更快：打开 ONNX 模型，查看每一层能承受多低的位宽，选择位宽，转换并对比。</translation>
    </message>
    <message>
        <source>Open a model…</source>
        <translation>打开模型…</translation>
    </message>
    <message>
        <source>Recent</source>
        <translation>最近</translation>
    </message>
    <message>
        <source>Try the bundled sample</source>
        <translation>试用自带示例</translation>
    </message>
    <message>
        <source>…or drop a model (.onnx, .pt2) or a project (.bitsmith) here</source>
        <translation>……或将模型 (.onnx、.pt2) 或项目 (.bitsmith) 拖放到这里</translation>
    </message>
</context>
<context>
    <name>StepChips</name>
    <message numerus="yes">
        <source>%n layers measured</source>
        <translation>
            <numerusform>已测量 %n 层</numerusform>
        </translation>
    </message>
    <message>
        <source>All layers measured</source>
        <translation>所有层均已测量</translation>
    </message>
    <message>
        <source>Converted models in this session</source>
        <translation>本次会话中转换的模型</translation>
    </message>
    <message>
        <source>No data yet</source>
        <translation>尚无数据</translation>
    </message>
    <message>
        <source>Not analysed yet</source>
        <translation>尚未分析</translation>
    </message>
    <message>
        <source>Results evaluated: {n} of {total}</source>
        <translation>已评估的结果：{n} / {total}</translation>
    </message>
    <message>
        <source>compare</source>
        <translation>对比</translation>
    </message>
    <message>
        <source>convert</source>
        <translation>转换</translation>
    </message>
    <message>
        <source>data</source>
        <translation>数据</translation>
    </message>
    <message>
        <source>model</source>
        <translation>模型</translation>
    </message>
    <message>
        <source>sensitivity</source>
        <translation>敏感度</translation>
    </message>
    <message>
        <source>● sensitivity {percent} %</source>
        <translation>● 敏感度 {percent} %</translation>
    </message>
    <message numerus="yes">
        <source>✓ %n samples</source>
        <translation>
            <numerusform>✓ %n 个样本</numerusform>
        </translation>
    </message>
    <message>
        <source>✓ compared</source>
        <translation>✓ 已对比</translation>
    </message>
    <message>
        <source>✓ sensitivity</source>
        <translation>✓ 敏感度</translation>
    </message>
    <message>
        <source>✓ {n} converted</source>
        <translation>✓ 已转换 {n} 个</translation>
    </message>
</context>
<context>
    <name>Steps</name>
    <message>
        <source>Analyse measures the layers on real samples. Choose calibration data first.</source>
        <translation>“分析”用真实样本测量各层。请先选择校准数据。</translation>
    </message>
    <message>
        <source>Compare evaluates the results on real samples. Choose evaluation data first.</source>
        <translation>“对比”用真实样本评估结果。请先选择评估数据。</translation>
    </message>
    <message>
        <source>Recover learns from calibration data and measures on evaluation data. Choose both first.</source>
        <translation>“精度恢复”用校准数据学习、用评估数据测量。请先选择两者。</translation>
    </message>
    <message>
        <source>Web page (*.html)</source>
        <translation>网页 (*.html)</translation>
    </message>
    <message>
        <source>What layers read is only known from samples. Choose calibration data first.</source>
        <translation>层的输入只能由样本得知。请先选择校准数据。</translation>
    </message>
    <message>
        <source>Write a report</source>
        <translation>写报告</translation>
    </message>
</context>
<context>
    <name>StepsTable</name>
    <message>
        <source>Better than all before</source>
        <translation>优于之前所有结果</translation>
    </message>
    <message>
        <source>KL</source>
        <translation>KL</translation>
    </message>
    <message>
        <source>KL divergence of the predictions from those of float, in nats</source>
        <translation>预测相对浮点的 KL 散度，nats</translation>
    </message>
    <message>
        <source>Method</source>
        <translation>方法</translation>
    </message>
    <message>
        <source>Plans that were measured</source>
        <translation>已测量的方案</translation>
    </message>
    <message>
        <source>Seconds</source>
        <translation>秒</translation>
    </message>
    <message>
        <source>To convert and to measure; known: an earlier run had measured it</source>
        <translation>转换与测量用时；已知：先前运行已测过</translation>
    </message>
    <message>
        <source>What was added to the best plan until then</source>
        <translation>在当时最优方案上新增的方法</translation>
    </message>
    <message>
        <source>better</source>
        <translation>更好</translation>
    </message>
    <message>
        <source>known</source>
        <translation>已知</translation>
    </message>
    <message>
        <source>✓ best</source>
        <translation>✓ 最优</translation>
    </message>
</context>
<context>
    <name>TableSaver</name>
    <message>
        <source>Copy table</source>
        <translation>复制表格</translation>
    </message>
    <message>
        <source>Save table</source>
        <translation>保存表格</translation>
    </message>
    <message>
        <source>Save table…</source>
        <translation>保存表格…</translation>
    </message>
    <message>
        <source>Table (*.csv)</source>
        <translation>表格 (*.csv)</translation>
    </message>
</context>
<context>
    <name>ThresholdDialog</name>
    <message>
        <source>0 switches a limit off. The metric is top-1 where there are labels, perplexity for language models, agreement with float otherwise; memory is the resident memory of a process that runs the model alone.</source>
        <translation>0 表示关闭该限制。指标在有标签时为 top-1，语言模型为困惑度，其他情况为与浮点的一致率；内存指单独运行该模型的进程的常驻内存。</translation>
    </message>
    <message>
        <source>Alert thresholds</source>
        <translation>告警阈值</translation>
    </message>
    <message>
        <source>Loss of the metric above</source>
        <translation>指标损失超过</translation>
    </message>
    <message>
        <source>Memory above</source>
        <translation>内存超过</translation>
    </message>
    <message>
        <source>P99 latency above</source>
        <translation>P99 延迟超过</translation>
    </message>
    <message>
        <source>Use these</source>
        <translation>使用这些值</translation>
    </message>
    <message>
        <source>of</source>
        <translation>相对于</translation>
    </message>
    <message>
        <source>this computer&apos;s memory</source>
        <translation>本机内存</translation>
    </message>
    <message>
        <source>{unit} %</source>
        <translation>{unit} %</translation>
    </message>
    <message>
        <source>{unit} MB</source>
        <translation>{unit} MB</translation>
    </message>
    <message>
        <source>{unit} ms</source>
        <translation>{unit} ms</translation>
    </message>
</context>
<context>
    <name>ThroughputPlot</name>
    <message>
        <source>No settings were timed. Name threads, batches or processors to sweep under Benchmark, and run it.</source>
        <translation>尚未对各设置计时。请在“基准测试”中填写要扫描的线程数、批大小或处理器，然后运行。</translation>
    </message>
    <message>
        <source>Throughput by setting</source>
        <translation>各设置下的吞吐量</translation>
    </message>
    <message>
        <source>samples per s</source>
        <translation>样本/s</translation>
    </message>
</context>
<context>
    <name>Tradeoff</name>
    <message>
        <source> % of float</source>
        <translation> % 浮点大小</translation>
    </message>
    <message>
        <source> bits</source>
        <translation> 位</translation>
    </message>
    <message>
        <source> ms</source>
        <translation> ms</translation>
    </message>
    <message>
        <source>Bits per weight</source>
        <translation>位/权重</translation>
    </message>
    <message>
        <source>File size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>Latency</source>
        <translation>延迟</translation>
    </message>
    <message>
        <source>Predicted {name} at least</source>
        <translation>预测 {name} 至少</translation>
    </message>
    <message>
        <source>Predicted {name} at most</source>
        <translation>预测 {name} 至多</translation>
    </message>
    <message>
        <source>Weights in memory</source>
        <translation>权重内存占用</translation>
    </message>
    <message>
        <source>best plans</source>
        <translation>最优方案</translation>
    </message>
    <message>
        <source>bits per weight</source>
        <translation>位/权重</translation>
    </message>
    <message>
        <source>current plan</source>
        <translation>当前方案</translation>
    </message>
    <message>
        <source>file size</source>
        <translation>文件大小</translation>
    </message>
    <message>
        <source>latency, ms</source>
        <translation>延迟，ms</translation>
    </message>
    <message>
        <source>layers: {counted}</source>
        <translation>层：{counted}</translation>
    </message>
    <message>
        <source>measured SQNR, dB</source>
        <translation>实测 SQNR，dB</translation>
    </message>
    <message>
        <source>measured plans</source>
        <translation>实测方案</translation>
    </message>
    <message>
        <source>measured results</source>
        <translation>实测结果</translation>
    </message>
    <message>
        <source>measured top-1, %</source>
        <translation>实测 top-1，%</translation>
    </message>
    <message>
        <source>measured {db} dB</source>
        <translation>实测 {db} dB</translation>
    </message>
    <message>
        <source>times smaller</source>
        <translation>缩小倍数</translation>
    </message>
    <message>
        <source>top-1 {percent} %</source>
        <translation>top-1 {percent} %</translation>
    </message>
    <message>
        <source>trade-off: {known}</source>
        <translation>权衡：{known}</translation>
    </message>
    <message>
        <source>uniform</source>
        <translation>统一位宽</translation>
    </message>
    <message>
        <source>weights in memory</source>
        <translation>权重内存占用</translation>
    </message>
    <message>
        <source>{bits} bits per weight</source>
        <translation>{bits} 位/权重</translation>
    </message>
    <message>
        <source>{count} × {bits} bits</source>
        <translation>{count} × {bits} 位</translation>
    </message>
    <message>
        <source>{ratio} smaller</source>
        <translation>缩小 {ratio}</translation>
    </message>
</context>
<context>
    <name>TradeoffPage</name>
    <message>
        <source>Analyse measures what every layer can bear; then the best plans for every size stand here.</source>
        <translation>“分析”测量每一层能承受多低的位宽；之后各种大小下的最优方案会显示在这里。</translation>
    </message>
    <message>
        <source>Analyse…</source>
        <translation>分析…</translation>
    </message>
    <message>
        <source>Assign</source>
        <translation>分配</translation>
    </message>
    <message>
        <source>Budget</source>
        <translation>预算</translation>
    </message>
    <message>
        <source>Budget: position on the front</source>
        <translation>预算：在前沿上的位置</translation>
    </message>
    <message>
        <source>Click a point to take its plan. Predictions rank plans; measure the one you take.</source>
        <translation>点击一个点以采用其方案。预测用于给方案排序；请实测所采用的方案。</translation>
    </message>
    <message>
        <source>Drag along the front to see what a budget buys</source>
        <translation>沿前沿拖动，查看不同预算可得到什么</translation>
    </message>
    <message>
        <source>Give the layers the bits of this point; locked layers keep theirs</source>
        <translation>按此点给各层分配位宽；已锁定的层保持不变</translation>
    </message>
    <message>
        <source>Horizontal axis</source>
        <translation>横轴</translation>
    </message>
    <message>
        <source>Measure</source>
        <translation>实测</translation>
    </message>
    <message>
        <source>They are of the weights alone: quantized activations come on top.</source>
        <translation>预测仅计入权重的损失：量化激活的损失需另外加上。</translation>
    </message>
    <message>
        <source>Vertical axis</source>
        <translation>纵轴</translation>
    </message>
    <message>
        <source>against</source>
        <translation>对</translation>
    </message>
    <message>
        <source>all {bits} bits</source>
        <translation>全部 {bits} 位</translation>
    </message>
    <message>
        <source>current plan</source>
        <translation>当前方案</translation>
    </message>
    <message>
        <source>measured plan</source>
        <translation>实测方案</translation>
    </message>
    <message>
        <source>trade-off {what}</source>
        <translation>权衡 {what}</translation>
    </message>
</context>
<context>
    <name>TradeoffPlot</name>
    <message>
        <source>Arrow keys move along the front, Enter takes that plan</source>
        <translation>方向键沿前沿移动，Enter 采用该方案</translation>
    </message>
    <message>
        <source>Trade-off: cost against quality of plans</source>
        <translation>权衡：各方案的成本与质量</translation>
    </message>
</context>
<context>
    <name>TradeoffThumbnail</name>
    <message>
        <source>Size against quality of the best plans, and the current one; click for the page</source>
        <translation>最优方案及当前方案的大小与质量；点击转到该页</translation>
    </message>
    <message>
        <source>Trade-off: size against quality of the best plans</source>
        <translation>权衡：最优方案的大小与质量</translation>
    </message>
    <message>
        <source>Trade-off: size against {name}</source>
        <translation>权衡：大小与 {name}</translation>
    </message>
</context>
<context>
    <name>Units</name>
    <message>
        <source>{first} {second}</source>
        <translation>{first}{second}</translation>
    </message>
</context>
<context>
    <name>ViewBar</name>
    <message>
        <source>Automatic</source>
        <translation>自动</translation>
    </message>
    <message>
        <source>Draw where the values end up; heights are lowered where few levels pile up</source>
        <translation>绘出量化后数值的位置；量化级较少处会降低高度</translation>
    </message>
    <message>
        <source>Input activations</source>
        <translation>输入激活</translation>
    </message>
    <message>
        <source>Log scale</source>
        <translation>对数刻度</translation>
    </message>
    <message>
        <source>One channel</source>
        <translation>单个通道</translation>
    </message>
    <message>
        <source>Output channel</source>
        <translation>输出通道</translation>
    </message>
    <message>
        <source>Part of the weight</source>
        <translation>权重的哪一部分</translation>
    </message>
    <message>
        <source>Quantized</source>
        <translation>量化后</translation>
    </message>
    <message>
        <source>Show log10(1 + values per bin), so that the tails can be seen</source>
        <translation>显示 log10(1 + 每区间数值个数)，以便看清尾部</translation>
    </message>
    <message>
        <source>Show the layer&apos;s weights, or what it reads</source>
        <translation>显示该层的权重或其输入</translation>
    </message>
    <message>
        <source>Show the whole weight or one output channel</source>
        <translation>显示整个权重或单个输出通道</translation>
    </message>
    <message>
        <source>Take the clip range back to what is found without you (Home)</source>
        <translation>将截断范围恢复为自动求得的值 (Home)</translation>
    </message>
    <message>
        <source>The output channel to show; a click on the strip below picks one, too</source>
        <translation>要显示的输出通道；点击下方的条带也可选择</translation>
    </message>
    <message>
        <source>Values to show</source>
        <translation>要显示的数值</translation>
    </message>
    <message>
        <source>Weights</source>
        <translation>权重</translation>
    </message>
    <message>
        <source>Whole tensor</source>
        <translation>整个张量</translation>
    </message>
    <message>
        <source>channel </source>
        <translation>通道 </translation>
    </message>
</context>
<context>
    <name>WhyTab</name>
    <message>
        <source>Changes the plan; Ctrl+Z takes it back. Convert again to see what it brings.</source>
        <translation>修改方案；Ctrl+Z 可撤销。再次转换即可看到效果。</translation>
    </message>
    <message>
        <source>Find out</source>
        <translation>查找原因</translation>
    </message>
    <message>
        <source>Not looked at yet: where its time goes, operator by operator, beside float.</source>
        <translation>尚未分析：与浮点对照，逐个算子查看耗时所在。</translation>
    </message>
    <message>
        <source>Nothing stands out: the time goes where it has to.</source>
        <translation>没有明显瓶颈：时间都花在必要之处。</translation>
    </message>
    <message>
        <source>Profile float and this result in turn, and read what ONNX Runtime made of them</source>
        <translation>交替剖析浮点模型和此结果，并读取 ONNX Runtime 优化后的图</translation>
    </message>
    <message>
        <source>Sets the threads of the Benchmark page; find out again what it brings.</source>
        <translation>设置“基准测试”页的线程数；请再次查找原因以查看效果。</translation>
    </message>
    <message>
        <source>The plan says so already: convert again to see what it brings.</source>
        <translation>方案已是如此：再次转换即可看到效果。</translation>
    </message>
    <message>
        <source>Time by operator</source>
        <translation>各算子耗时</translation>
    </message>
    <message>
        <source>What costs time</source>
        <translation>耗时来源</translation>
    </message>
</context>
<context>
    <name>Workflow</name>
    <message>
        <source>Benchmark</source>
        <translation>基准测试</translation>
    </message>
    <message>
        <source>Calibrate</source>
        <translation>校准</translation>
    </message>
    <message>
        <source>Check calibration data</source>
        <translation>检查校准数据</translation>
    </message>
    <message>
        <source>Check evaluation data</source>
        <translation>检查评估数据</translation>
    </message>
    <message>
        <source>Convert to {name}</source>
        <translation>转换为 {name}</translation>
    </message>
    <message>
        <source>Evaluate {name}</source>
        <translation>评估 {name}</translation>
    </message>
    <message>
        <source>Its outputs have {db} dB SQNR against float.</source>
        <translation>其输出相对浮点的 SQNR 为 {db} dB。</translation>
    </message>
    <message>
        <source>Measure layer times</source>
        <translation>测量各层耗时</translation>
    </message>
    <message>
        <source>Open {name}</source>
        <translation>打开 {name}</translation>
    </message>
    <message>
        <source>Run its code and open</source>
        <translation>运行其代码并打开</translation>
    </message>
    <message>
        <source>Sensitivity analysis</source>
        <translation>敏感度分析</translation>
    </message>
    <message>
        <source>The data could not be checked, because of a bug in Bitsmith.</source>
        <translation>由于 Bitsmith 的程序错误，无法检查数据。</translation>
    </message>
    <message>
        <source>{danger}.

Opening it means running what is in it, with your rights: it could read, change or delete your files, or send them elsewhere. Open it only if you trust whoever made this very file. Bitsmith will ask again for any other file, and for this one if it changes.</source>
        <translation>{danger}.

打开它意味着以您的权限运行其中的代码：它可能读取、修改或删除您的文件，或将其发送到别处。只有在信任此文件的制作者时才打开。对于其他任何文件，以及此文件发生变化后，Bitsmith 都会再次询问。</translation>
    </message>
    <message>
        <source>{name} is {size}, {ratio:.1f}× smaller than the float file.</source>
        <translation>{name} 为 {size}，比浮点文件缩小 {ratio:.1f}×。</translation>
    </message>
</context>
<context>
    <name>_Saver</name>
    <message>
        <source>Cannot write {path}: {reason}. Choose another folder.</source>
        <translation>无法写入 {path}：{reason}。请选择其他文件夹。</translation>
    </message>
</context>
</TS>
