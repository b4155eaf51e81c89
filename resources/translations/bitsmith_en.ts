<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="en" sourcelanguage="en">
<context>
    <name>BenchmarkPage</name>
    <message numerus="yes">
        <source>%n calls were timed</source>
        <translation>
            <numerusform>%n call was timed</numerusform>
            <numerusform>%n calls were timed</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>EditLayersDialog</name>
    <message numerus="yes">
        <source>%n layers are meant. Choose what they get.</source>
        <translation>
            <numerusform>%n layer is meant. Choose what it gets.</numerusform>
            <numerusform>%n layers are meant. Choose what they get.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GraphPage</name>
    <message numerus="yes">
        <source>%n found</source>
        <translation>
            <numerusform>%n found</numerusform>
            <numerusform>%n found</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>GraphTexts</name>
    <message numerus="yes">
        <source>%n layers</source>
        <translation>
            <numerusform>%n layer</numerusform>
            <numerusform>%n layers</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n layers inside</source>
        <translation>
            <numerusform>%n layer inside</numerusform>
            <numerusform>%n layers inside</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n nodes</source>
        <translation>
            <numerusform>%n node</numerusform>
            <numerusform>%n nodes</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>HistoryPage</name>
    <message numerus="yes">
        <source>%n runs, none is ever overwritten</source>
        <translation>
            <numerusform>%n run, none is ever overwritten</numerusform>
            <numerusform>%n runs, none is ever overwritten</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LayerChoices</name>
    <message numerus="yes">
        <source>%n cannot</source>
        <translation>
            <numerusform>%n cannot</numerusform>
            <numerusform>%n cannot</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n locked</source>
        <translation>
            <numerusform>%n locked</numerusform>
            <numerusform>%n locked</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>%n of them are so already</source>
        <translation>
            <numerusform>%n of them is so already</numerusform>
            <numerusform>%n of them are so already</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>Reaches %n layers</source>
        <translation>
            <numerusform>Reaches %n layer</numerusform>
            <numerusform>Reaches %n layers</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>LayersTab</name>
    <message numerus="yes">
        <source>SQNR of every layer&apos;s output against float in dB, %n samples.</source>
        <translation>
            <numerusform>SQNR of every layer&apos;s output against float in dB, %n sample.</numerusform>
            <numerusform>SQNR of every layer&apos;s output against float in dB, %n samples.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>RestoreBar</name>
    <message numerus="yes">
        <source>%n runs</source>
        <translation>
            <numerusform>%n run</numerusform>
            <numerusform>%n runs</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>And %n more.</source>
        <translation>
            <numerusform>And %n more.</numerusform>
            <numerusform>And %n more.</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>SamplesTab</name>
    <message numerus="yes">
        <source>%n samples, those farthest from float first.</source>
        <translation>
            <numerusform>%n sample, farthest from float first.</numerusform>
            <numerusform>%n samples, those farthest from float first.</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>sample {index}: %n tokens</source>
        <translation>
            <numerusform>sample {index}: %n token</numerusform>
            <numerusform>sample {index}: %n tokens</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>Session</name>
    <message numerus="yes">
        <source>%n layers</source>
        <translation>
            <numerusform>%n layer</numerusform>
            <numerusform>%n layers</numerusform>
        </translation>
    </message>
</context>
<context>
    <name>StepChips</name>
    <message numerus="yes">
        <source>%n layers measured</source>
        <translation>
            <numerusform>%n layer measured</numerusform>
            <numerusform>%n layers measured</numerusform>
        </translation>
    </message>
    <message numerus="yes">
        <source>✓ %n samples</source>
        <translation>
            <numerusform>✓ %n sample</numerusform>
            <numerusform>✓ %n samples</numerusform>
        </translation>
    </message>
</context>
</TS>
